package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/acme/connections/internal/apikey"
	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/secret"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// caller is who makes a request.
type caller struct {
	// KeyID names the API key; Owner limits it to one customer, if it is not empty.
	KeyID, Owner string
	// Scopes are the key's.
	Scopes []string
	// Row is the connection's, where the operation reads a token: the zero row if it is not the caller's.
	Row vault.AccessRow
}

type callerKey struct{}

func callerOf(ctx context.Context) caller {
	c, _ := ctx.Value(callerKey{}).(caller)
	return c
}

// mayActFor reports whether the caller may act for an owner.
func (c caller) mayActFor(owner string) bool { return c.Owner == "" || c.Owner == owner }

// ownerOf is for whom the caller acts who names an owner, or none.
func (c caller) ownerOf(named string) (string, error) {
	switch {
	case named == "":
		return c.Owner, nil
	case c.mayActFor(named):
		return named, nil
	default:
		return "", newProblem(http.StatusForbidden, codeOwner, "This API key acts for one owner, and it is not this one. Leave the owner out.")
	}
}

// lookUp reads a key, and whatever else the operation wants of the vault, in one statement.
type lookUp func(ctx huma.Context, id string) (vault.APIKey, vault.AccessRow, error)

func (s *Server) lookUpKey(ctx huma.Context, id string) (vault.APIKey, vault.AccessRow, error) {
	k, err := s.Connections.Vault.APIKey(ctx.Context(), id)
	return k, vault.AccessRow{}, err
}

// lookUpRow reads the key together with the row of the connection in the path, if the key may see it.
func (s *Server) lookUpRow(ctx huma.Context, id string) (vault.APIKey, vault.AccessRow, error) {
	return s.Connections.Vault.APIKeyAccess(ctx.Context(), id, ctx.Param("id"))
}

const realm = `Bearer realm="connections"`

// admit lets a request through whose key is good, has the scope and is within its limit. The key is read on each
// request, before the body is: one that was revoked is refused from the next request on.
func (s *Server) admit(scope string, look lookUp) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		c, problem := s.authenticate(ctx, scope, look)
		if problem != nil {
			writeProblem(ctx, problem)
			return
		}
		next(huma.WithValue(ctx, callerKey{}, c))
	}
}

func (s *Server) authenticate(ctx huma.Context, scope string, look lookUp) (caller, *Problem) {
	scheme, text, _ := strings.Cut(ctx.Header("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return caller{}, newProblem(http.StatusUnauthorized, codeUnauthorized,
			"Send an API key: \"Authorization: Bearer ck_…\". \"starter api-keys create\" makes one.").with("WWW-Authenticate", realm)
	}
	id, ok := apikey.Parse(text)
	if !ok {
		return caller{}, badKey()
	}
	k, row, err := look(ctx, id)
	switch {
	case errors.Is(err, vault.ErrNotFound):
		return caller{}, badKey()
	case err != nil:
		return caller{}, problemOfCode(string(workflows.ReasonVaultUnavailable), "")
	}
	now := s.Connections.Now()
	if !apikey.Good(k, secret.New(text), now) {
		return caller{}, badKey()
	}
	if wait := s.limits.take(id, ctx.Method()); wait > 0 {
		return caller{}, rateLimited(wait)
	}
	s.tally.used(id, now)
	if !slices.Contains(k.Scopes, scope) {
		return caller{}, lacks(scope)
	}
	return caller{KeyID: id, Owner: k.Owner, Scopes: k.Scopes, Row: row}, nil
}

func rateLimited(wait time.Duration) *Problem {
	return newProblem(http.StatusTooManyRequests, codeRateLimited, "This API key makes more requests than it may. Slow down.").retryAfter(wait)
}

// lacks is the answer to a key without the scope (RFC 6750 §3.1).
func lacks(scope string) *Problem {
	return newProblem(http.StatusForbidden, codeScopeMissing, "This API key lacks the scope "+scope+".").
		with("WWW-Authenticate", realm+`, error="insufficient_scope", scope="`+scope+`"`)
}

// badKey is one answer for keys that are unknown, wrong, expired or revoked: which it is helps only who guesses.
func badKey() *Problem {
	return newProblem(http.StatusUnauthorized, codeUnauthorized, "The API key is not good: it is unknown, wrong, expired or revoked.").
		with("WWW-Authenticate", realm+`, error="invalid_token"`)
}

// writeProblem refuses before the body is read. The server would wait for it before it answers, to keep the connection:
// who has no key is not waited for.
func writeProblem(ctx huma.Context, p *Problem) {
	if r, _ := humago.Unwrap(ctx); r.ContentLength != 0 {
		ctx.SetHeader("Connection", "close")
	}
	for name, values := range p.header {
		for _, value := range values {
			ctx.SetHeader(name, value)
		}
	}
	ctx.SetHeader("Content-Type", contentTypeProblem)
	ctx.SetStatus(p.Status)
	_ = huma.DefaultJSONFormat.Marshal(ctx.BodyWriter(), p)
}

// own checks that the caller may see a connection. That of another owner is answered exactly as one that is not there.
func (s *Server) own(ctx context.Context, id string) error {
	if !workflows.ValidID(id) {
		return missing()
	}
	row, err := s.Connections.Row(ctx, id)
	if err != nil {
		return err
	}
	if !callerOf(ctx).mayActFor(row.Owner) {
		return missing()
	}
	return nil
}

// drive does something with a connection of the caller's.
func (s *Server) drive(ctx context.Context, id string, do func(context.Context, string) (connections.View, error)) (*connectionOutput, error) {
	if err := s.own(ctx, id); err != nil {
		return nil, err
	}
	view, err := do(ctx, id)
	if err != nil {
		return nil, err
	}
	return &connectionOutput{Body: connectionOf(view)}, nil
}
