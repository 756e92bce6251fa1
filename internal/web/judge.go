package web

import (
	"context"
	"log/slog"
	"strings"

	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/keyring"
	"github.com/acme/connections/internal/secret"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// asked is an authorization request and what it was made of.
type asked struct {
	request    vault.AuthRequest
	connection vault.Connection
	connector  connector.Connector
	// keys may have signed the answer; only read if the connector's answers are signed.
	keys []secret.String
}

// askedOf finds what a request was made of. The connector alone says how its answer is read and where it leads.
func (s *Server) askedOf(ctx context.Context, request vault.AuthRequest) (asked, error) {
	connection, err := s.Vault.Connection(ctx, request.ConnectionID)
	if err != nil {
		return asked{}, err
	}
	conn, err := s.Catalogue.Get(ctx, connection.Connector)
	if err != nil {
		return asked{}, err
	}
	q := asked{request: request, connection: connection}
	if q.connector, err = conn.Resolve(connection.Inputs); err == nil && conn.Callback != nil && conn.Callback.HMAC != nil {
		q.keys, err = s.keysOf(ctx, connection.IntegrationID)
	}
	return q, err
}

// judge decides what an answer means; whatever it is, it uses up the request.
func (s *Server) judge(q asked, a answer, wellFormed bool, rawQuery string) (vault.Consumption, workflows.Callback) {
	request := q.request
	refuse := func(reason workflows.Reason) (vault.Consumption, workflows.Callback) {
		s.Log.Warn("consent came to nothing", slog.String("connection", request.ConnectionID), slog.String("reason", string(reason)))
		return vault.Consumption{RequestID: request.ID, At: s.Now(), Outcome: string(reason)},
			workflows.Callback{RequestID: request.ID, Reason: reason}
	}
	if !fromIssuer(q, a) {
		return refuse(workflows.ReasonIssuerMismatch)
	}
	if !wellFormed {
		return refuse(workflows.ReasonConsentFailed)
	}
	if a.failure != "" {
		return refuse(reasonOfError(a.failure))
	}
	consumption := vault.Consumption{RequestID: request.ID, At: s.Now()}
	if reason := told(q, a, rawQuery, &consumption); reason != workflows.ReasonNone {
		return refuse(reason)
	}
	var err error
	if consumption.Code, err = s.Keys.Vault.SealString(keyring.Code(request.ID), secret.New(a.code)); err != nil {
		return refuse(workflows.ReasonInternal)
	}
	return consumption, workflows.Callback{RequestID: request.ID, SealedCode: consumption.Code}
}

// fromIssuer checks "iss" (RFC 9207 §2.4): exact comparison; a server that announces it must send it, with errors too.
func fromIssuer(q asked, a answer) bool {
	if q.request.Issuer == "" {
		return true
	}
	if !a.hasIssuer {
		return q.connector.Authorize == nil || !q.connector.Authorize.IssRequired
	}
	return a.issuer == q.request.Issuer
}

// told takes what the answer says beside the code. What would lead the code or the secret elsewhere than the connector
// allows refuses the whole answer; what is merely odd is left out.
func told(q asked, a answer, rawQuery string, consumption *vault.Consumption) workflows.Reason {
	callback := q.connector.Callback
	if callback == nil {
		return workflows.ReasonNone
	}
	if callback.HMAC != nil && !signed(q.keys, callback.HMAC.Param, rawQuery) {
		return workflows.ReasonIssuerMismatch
	}
	if scope := a.extra[callback.ScopeParam]; callback.ScopeParam != "" && scope != "" {
		consumption.GrantedScopes = strings.FieldsFunc(scope, func(r rune) bool { return r == ' ' || r == ',' })
	}
	for _, expected := range callback.Capture {
		raw := a.extra[expected.Param]
		value, fits := expected.Accept(raw)
		switch {
		case raw == "" && expected.Required:
			return workflows.ReasonConsentFailed
		case raw == "":
			continue
		case !fits && (expected.Required || expected.Input != ""):
			return workflows.ReasonIssuerMismatch
		case !fits:
			continue
		case expected.Input != "":
			if value, fits = inputAccepts(q.connector, expected, value, q.connection.Inputs[expected.Input]); !fits {
				return workflows.ReasonIssuerMismatch
			}
			put(&consumption.Inputs, expected.Input, value)
		}
		if name := expected.Name(); name != "" {
			put(&consumption.Captured, name, value)
		}
	}
	return workflows.ReasonNone
}

// inputAccepts checks a value that the provider sets for an input, by the input's own rule.
func inputAccepts(c connector.Connector, expected connector.CallbackValue, value, entered string) (string, bool) {
	if expected.Match {
		return value, value == entered
	}
	for _, input := range c.Inputs {
		if input.Name == expected.Input {
			return input.Accept(value)
		}
	}
	return "", false
}

func put(m *map[string]string, name, value string) {
	if *m == nil {
		*m = make(map[string]string)
	}
	(*m)[name] = value
}
