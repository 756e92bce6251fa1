package api

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/tokens"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// Problem is an error (RFC 9457). It holds no secret and no text of a provider's or a driver's. Its "type" is left out,
// which means "about:blank": the code tells problems apart.
type Problem struct {
	Title  string `json:"title" doc:"The status in words." example:"Not Found"`
	Status int    `json:"status" doc:"The HTTP status." example:"404"`
	Code   string `json:"code" doc:"What is wrong, for machines: a reason code of connections, or one of the API's own." example:"not_found"`
	Detail string `json:"detail" doc:"What is wrong and what to do, for people." example:"There is no such connection."`
	// Errors say where a request is malformed. They never quote what was sent, which may be a secret.
	Errors []ProblemError `json:"errors,omitempty" doc:"Where the request is malformed."`

	header http.Header
}

// ProblemError is one fault of a request.
type ProblemError struct {
	Location string `json:"location" doc:"Where, as a path." example:"body.owner"`
	Message  string `json:"message" doc:"What is wrong there."`
}

// Codes beside the reasons of the contract and the codes of package connections.
const (
	codeUnauthorized   = "unauthorized"
	codeScopeMissing   = "scope_missing"
	codeOwner          = "owner_not_allowed"
	codeRateLimited    = "rate_limited"
	codeNoRoute        = "no_such_path"
	codeMethod         = "method_not_allowed"
	codeBodyTooLarge   = "body_too_large"
	codeBodySlow       = "body_too_slow"
	codeMediaType      = "unsupported_media_type"
	codeKeyReused      = "idempotency_key_reused"
	codeKeyInUse       = "idempotency_key_in_use"
	codeNotAcceptable  = "not_acceptable"
	contentTypeProblem = "application/problem+json"
)

func newProblem(status int, code, detail string) *Problem {
	return &Problem{Title: http.StatusText(status), Status: status, Code: code, Detail: detail}
}

// Error implements error.
func (p *Problem) Error() string { return p.Detail }

// GetStatus implements huma.StatusError.
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders implements huma.HeadersError.
func (p *Problem) GetHeaders() http.Header { return p.header }

// ContentType implements huma.ContentTypeFilter.
func (p *Problem) ContentType(string) string { return contentTypeProblem }

// with adds a header of the answer.
func (p *Problem) with(name, value string) *Problem {
	if p.header == nil {
		p.header = http.Header{}
	}
	p.header.Set(name, value)
	return p
}

// retryAfter says when it is worth trying again, rounded up to a second (RFC 9110 §10.2.3).
func (p *Problem) retryAfter(d time.Duration) *Problem {
	return p.with("Retry-After", strconv.Itoa(max(1, int((d+time.Second-1)/time.Second))))
}

// write answers with the problem outside of an operation.
func (p *Problem) write(w http.ResponseWriter) {
	maps.Copy(w.Header(), p.header)
	w.Header().Set("Content-Type", contentTypeProblem)
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p)
}

var problemsInUse sync.Once

// useProblems makes problems of what the library refuses by itself. Of errors that it was not made to show, only the
// status is told: an encoder's or a driver's text may quote what it was given.
func useProblems() {
	problemsInUse.Do(func() {
		huma.NewError = func(status int, message string, errs ...error) huma.StatusError {
			return libraryProblem(status, message, errs)
		}
	})
}

func libraryProblem(status int, message string, errs []error) *Problem {
	switch status {
	case http.StatusRequestEntityTooLarge:
		return newProblem(status, codeBodyTooLarge, "The body is longer than is taken here: "+strconv.Itoa(maxBody)+" bytes, or "+strconv.Itoa(maxImport)+" for an import.")
	case http.StatusRequestTimeout:
		return newProblem(status, codeBodySlow, "The body did not arrive in time.")
	case http.StatusUnsupportedMediaType:
		return newProblem(status, codeMediaType, "Send JSON, with Content-Type: application/json.")
	case http.StatusNotAcceptable:
		return newProblem(status, codeNotAcceptable, "The answers are JSON: accept application/json.")
	case http.StatusInternalServerError:
		if message == "cannot read request body" {
			for _, err := range errs {
				var tooLong *http.MaxBytesError
				if errors.As(err, &tooLong) {
					return libraryProblem(http.StatusRequestEntityTooLarge, "", nil)
				}
			}
			return newProblem(http.StatusBadRequest, string(workflows.ReasonInvalid), "The body could not be read to its end.")
		}
		return newProblem(status, string(workflows.ReasonInternal), workflows.ReasonInternal.Sentence())
	}
	p := newProblem(status, string(workflows.ReasonInvalid), "The request does not fit the operation.")
	for _, err := range errs {
		var detail *huma.ErrorDetail
		if errors.As(err, &detail) {
			p.Errors = append(p.Errors, ProblemError{Location: detail.Location, Message: detail.Message})
		}
	}
	return p
}

func missing() *Problem {
	return newProblem(http.StatusNotFound, string(workflows.ReasonNotFound), workflows.ReasonNotFound.Sentence())
}

// problemOf turns any error of a handler into a problem, and logs those that are ours.
func (s *Server) problemOf(ctx context.Context, operation string, err error) *Problem {
	var (
		problem *Problem
		known   *connections.Error
		refused *tokens.Error
		engine  *vault.EngineError
	)
	switch {
	case errors.As(err, &problem):
		return problem
	case errors.As(err, &refused):
		p := problemOfCode(string(refused.Reason), tokens.Sentence(refused.Reason))
		if refused.RetryAfter > 0 {
			return p.retryAfter(refused.RetryAfter)
		}
		return p
	case errors.As(err, &known):
		return problemOfCode(known.Code, known.Message)
	case errors.As(err, &engine):
		s.Log.ErrorContext(ctx, "the vault failed a request to the API", slog.String("operation", operation), slog.Any("error", err))
		return problemOfCode(string(workflows.ReasonVaultUnavailable), "")
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return problemOfCode(string(workflows.ReasonUnanswered), workflows.ReasonUnanswered.Sentence())
	default:
		s.Log.ErrorContext(ctx, "a request to the API failed", slog.String("operation", operation), slog.Any("error", err))
		return problemOfCode(string(workflows.ReasonInternal), workflows.ReasonInternal.Sentence())
	}
}

// tryAgainAfter is when it is worth trying again if nobody knows better.
const tryAgainAfter = 5 * time.Second

func problemOfCode(code, sentence string) *Problem {
	status := statusOf(code)
	switch code {
	case string(workflows.ReasonNotFound):
		return missing()
	case string(workflows.ReasonVaultUnavailable):
		sentence = "The service's database cannot be reached. Try again."
	case connections.CodeTemporalUnavailable:
		sentence = "The service's workflow engine cannot be reached. Try again."
	}
	p := newProblem(status, code, sentence)
	if status == http.StatusServiceUnavailable || status == http.StatusGatewayTimeout {
		return p.retryAfter(tryAgainAfter)
	}
	return p
}

// statusOf is the HTTP status of a code. What depends on the state of the connection, or on how it is set up, is 409:
// the request is fine, and the same one will be once somebody has done something.
func statusOf(code string) int {
	switch code {
	case string(workflows.ReasonNotFound):
		return http.StatusNotFound
	case string(workflows.ReasonInvalid), connections.CodeUnknownConnector, connections.CodeConnectorInvalid:
		return http.StatusUnprocessableEntity
	case connections.CodeTimeout:
		return http.StatusGatewayTimeout
	case connections.CodeTemporalUnavailable:
		return http.StatusServiceUnavailable
	case string(workflows.ReasonInternal):
		return http.StatusInternalServerError
	}
	switch workflows.Reason(code).Class() {
	case workflows.ClassTransient, workflows.ClassInDoubt:
		return http.StatusServiceUnavailable
	case workflows.ClassConfiguration, workflows.ClassReauthorize, workflows.ClassPermanent:
	}
	return http.StatusConflict
}
