package sqlitevault

import (
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"time"

	"github.com/acme/connections/internal/vault"
)

// instant is a time in a column of microseconds; the zero time is NULL.
type instant time.Time

// Value implements driver.Valuer.
func (i instant) Value() (driver.Value, error) {
	t := time.Time(i)
	if t.IsZero() {
		return nil, nil
	}
	return t.UnixMicro(), nil
}

// Scan implements sql.Scanner.
func (i *instant) Scan(value any) error {
	switch v := value.(type) {
	case nil:
		*i = instant{}
	case int64:
		*i = instant(time.UnixMicro(v).UTC())
	default:
		return fmt.Errorf("a time is stored as %T", value)
	}
	return nil
}

// document is a map or a list in a column of JSON; what points to nil is NULL.
type document[T map[string]string | []string | [][]byte | []vault.EndpointSecret] struct{ content *T }

func doc[T map[string]string | []string | [][]byte | []vault.EndpointSecret](content *T) document[T] {
	return document[T]{content}
}

// Value implements driver.Valuer.
func (d document[T]) Value() (driver.Value, error) {
	if len(*d.content) == 0 {
		return nil, nil
	}
	text, err := json.Marshal(*d.content)
	return string(text), err
}

// Scan implements sql.Scanner.
func (d document[T]) Scan(value any) error {
	switch v := value.(type) {
	case nil:
		*d.content = nil
		return nil
	case string:
		return json.Unmarshal([]byte(v), d.content)
	default:
		return fmt.Errorf("a document is stored as %T", value)
	}
}

// The columns of each table, in the order in which the scan functions read them.
const (
	connectionColumns = `id, owner, connector, integration_id, grant_type, end_user, tags, inputs, metadata,
		requested_scopes, granted_scopes, chosen_scopes, policy, consented_at, status, reason, status_seq, status_at, generation, failures, token_type,
		issued_at, expires_at, access_token, refresh_token, created_at, updated_at, tombstone_until`
	listedColumns = `id, owner, connector, integration_id, grant_type, end_user, tags, inputs, metadata,
		requested_scopes, granted_scopes, chosen_scopes, policy, consented_at, status, reason, status_seq, status_at, generation, failures, token_type,
		issued_at, expires_at, NULL, NULL, created_at, updated_at, tombstone_until`
	attemptColumns = `id, connection_id, kind, generation, request_id, state, reason, reply, begun_at, sent_at,
		ended_at, lease_until`
	linkColumns    = `hash, connection_id, created_at, expires_at, consumed_at, browser_hash, any_account, session_id`
	requestColumns = `id, state_hash, connection_id, link_hash, issuer, redirect_uri, scopes, browser_hash, verifier,
		code, created_at, expires_at, consumed_at, captured, inputs, granted_scopes, outcome, held`
	sessionColumns = `id, hash, kind, owner, end_user, connectors, tags, return_url, confirm_user, connection_id, popup,
		created_at, expires_at, consumed_at, browser_hash, uses`
	integrationColumns = `id, owner, connector, client_id, secrets, scopes, policy, updated_at`
	breakerColumns     = `integration_id, open, cause, reason, opened_at, next_probe_at, opens`
	eventColumns       = `sequence, id, type, connection_id, connector, owner, status, reason, at, dispatched_at`
	endpointColumns    = `id, owner, url, types, secrets, version, created_at, disabled_at, disabled_reason`
)

func scanConnection(r row) (vault.Connection, error) {
	var c vault.Connection
	err := r.Scan(&c.ID, &c.Owner, &c.Connector, &c.IntegrationID, &c.Grant, &c.EndUser, doc(&c.Tags), doc(&c.Inputs),
		doc(&c.Metadata), doc(&c.RequestedScopes), doc(&c.GrantedScopes), doc(&c.ChosenScopes), &c.Policy, (*instant)(&c.ConsentedAt),
		&c.Status, &c.Reason, &c.StatusSeq, (*instant)(&c.StatusAt), &c.Generation, &c.Failures, &c.TokenType,
		(*instant)(&c.IssuedAt), (*instant)(&c.ExpiresAt), &c.AccessToken, &c.RefreshToken, (*instant)(&c.CreatedAt), (*instant)(&c.UpdatedAt),
		(*instant)(&c.TombstoneUntil))
	return c, err
}

func scanAttempt(r row) (vault.Attempt, error) {
	var a vault.Attempt
	err := r.Scan(&a.ID, &a.ConnectionID, &a.Kind, &a.Generation, &a.RequestID, &a.State, &a.Reason, &a.Reply,
		(*instant)(&a.BegunAt), (*instant)(&a.SentAt), (*instant)(&a.EndedAt), (*instant)(&a.LeaseUntil))
	return a, err
}

func scanLink(r row) (vault.Link, error) {
	var l vault.Link
	err := r.Scan(&l.Hash, &l.ConnectionID, (*instant)(&l.CreatedAt), (*instant)(&l.ExpiresAt),
		(*instant)(&l.ConsumedAt), &l.BrowserHash, &l.AnyAccount, &l.SessionID)
	return l, err
}

func scanRequest(r row) (vault.AuthRequest, error) {
	var a vault.AuthRequest
	err := r.Scan(&a.ID, &a.StateHash, &a.ConnectionID, &a.LinkHash, &a.Issuer, &a.RedirectURI, doc(&a.Scopes),
		&a.BrowserHash, &a.Verifier, &a.Code, (*instant)(&a.CreatedAt), (*instant)(&a.ExpiresAt),
		(*instant)(&a.ConsumedAt), doc(&a.Captured), doc(&a.Inputs), doc(&a.GrantedScopes), &a.Outcome, &a.Held)
	return a, err
}

func scanSession(r row) (vault.Session, error) {
	var s vault.Session
	err := r.Scan(&s.ID, &s.Hash, &s.Kind, &s.Owner, &s.EndUser, doc(&s.Connectors), doc(&s.Tags), &s.ReturnURL,
		&s.ConfirmUser, &s.ConnectionID, &s.Popup, (*instant)(&s.CreatedAt), (*instant)(&s.ExpiresAt),
		(*instant)(&s.ConsumedAt), &s.BrowserHash, &s.Uses)
	return s, err
}

func scanIntegration(r row) (vault.Integration, error) {
	var i vault.Integration
	err := r.Scan(&i.ID, &i.Owner, &i.Connector, &i.ClientID, doc(&i.Secrets), doc(&i.Scopes), &i.Policy,
		(*instant)(&i.UpdatedAt))
	return i, err
}

func scanBreaker(r row) (vault.Breaker, error) {
	var b vault.Breaker
	err := r.Scan(&b.IntegrationID, &b.Open, &b.Cause, &b.Reason, (*instant)(&b.OpenedAt),
		(*instant)(&b.NextProbeAt), &b.Opens)
	return b, err
}

func scanEvent(r row) (vault.Event, error) {
	var e vault.Event
	err := r.Scan(&e.Sequence, &e.ID, &e.Type, &e.ConnectionID, &e.Connector, &e.Owner, &e.Status, &e.Reason,
		(*instant)(&e.At), (*instant)(&e.DispatchedAt))
	return e, err
}

func scanEndpoint(r row) (vault.Endpoint, error) {
	var e vault.Endpoint
	err := r.Scan(&e.ID, &e.Owner, &e.URL, doc(&e.Types), doc(&e.Secrets), &e.Version, (*instant)(&e.CreatedAt),
		(*instant)(&e.DisabledAt), &e.DisabledReason)
	return e.Normalize(), err
}

func scanText(r row) (text string, err error) {
	err = r.Scan(&text)
	return text, err
}
