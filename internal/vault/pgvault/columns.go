package pgvault

import (
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/acme/connections/internal/vault"
)

// instant is a time in a timestamptz column; the zero time is NULL.
type instant time.Time

// TimestamptzValue implements pgtype.TimestamptzValuer.
func (i instant) TimestamptzValue() (pgtype.Timestamptz, error) {
	t := time.Time(i)
	return pgtype.Timestamptz{Time: t, Valid: !t.IsZero()}, nil
}

// ScanTimestamptz implements pgtype.TimestamptzScanner.
func (i *instant) ScanTimestamptz(v pgtype.Timestamptz) error {
	*i = instant{}
	if v.Valid {
		*i = instant(v.Time.UTC())
	}
	return nil
}

// The columns of each table, in the order in which the scan functions read them.
const (
	connectionColumns = `id, owner, connector, integration_id, grant_type, end_user, tags, inputs, metadata,
		requested_scopes, granted_scopes, chosen_scopes, policy, consented_at, status, reason, status_seq, status_at, generation, failures, token_type,
		issued_at, expires_at, access_token, refresh_token, created_at, updated_at, tombstone_until`
	listedColumns = `id, owner, connector, integration_id, grant_type, end_user, tags, inputs, metadata,
		requested_scopes, granted_scopes, chosen_scopes, policy, consented_at, status, reason, status_seq, status_at, generation, failures, token_type,
		issued_at, expires_at, NULL::bytea, NULL::bytea, created_at, updated_at, tombstone_until`
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

func scanConnection(row pgx.CollectableRow) (vault.Connection, error) {
	var c vault.Connection
	err := row.Scan(&c.ID, &c.Owner, &c.Connector, &c.IntegrationID, &c.Grant, &c.EndUser, &c.Tags, &c.Inputs,
		&c.Metadata, &c.RequestedScopes, &c.GrantedScopes, &c.ChosenScopes, &c.Policy, (*instant)(&c.ConsentedAt), &c.Status, &c.Reason,
		&c.StatusSeq, (*instant)(&c.StatusAt), &c.Generation, &c.Failures, &c.TokenType, (*instant)(&c.IssuedAt),
		(*instant)(&c.ExpiresAt), &c.AccessToken, &c.RefreshToken, (*instant)(&c.CreatedAt), (*instant)(&c.UpdatedAt),
		(*instant)(&c.TombstoneUntil))
	return c, err
}

func scanAttempt(row pgx.CollectableRow) (vault.Attempt, error) {
	var a vault.Attempt
	err := row.Scan(attemptFields(&a)...)
	return a, err
}

func attemptFields(a *vault.Attempt) []any {
	return []any{
		&a.ID, &a.ConnectionID, &a.Kind, &a.Generation, &a.RequestID, &a.State, &a.Reason, &a.Reply,
		(*instant)(&a.BegunAt), (*instant)(&a.SentAt), (*instant)(&a.EndedAt), (*instant)(&a.LeaseUntil),
	}
}

func scanLink(row pgx.CollectableRow) (vault.Link, error) {
	var l vault.Link
	err := row.Scan(&l.Hash, &l.ConnectionID, (*instant)(&l.CreatedAt), (*instant)(&l.ExpiresAt),
		(*instant)(&l.ConsumedAt), &l.BrowserHash, &l.AnyAccount, &l.SessionID)
	return l, err
}

func scanRequest(row pgx.CollectableRow) (vault.AuthRequest, error) {
	var r vault.AuthRequest
	err := row.Scan(&r.ID, &r.StateHash, &r.ConnectionID, &r.LinkHash, &r.Issuer, &r.RedirectURI, &r.Scopes,
		&r.BrowserHash, &r.Verifier, &r.Code, (*instant)(&r.CreatedAt), (*instant)(&r.ExpiresAt),
		(*instant)(&r.ConsumedAt), &r.Captured, &r.Inputs, &r.GrantedScopes, &r.Outcome, &r.Held)
	return r, err
}

func scanSession(row pgx.CollectableRow) (vault.Session, error) {
	var s vault.Session
	err := row.Scan(&s.ID, &s.Hash, &s.Kind, &s.Owner, &s.EndUser, &s.Connectors, &s.Tags, &s.ReturnURL, &s.ConfirmUser,
		&s.ConnectionID, &s.Popup, (*instant)(&s.CreatedAt), (*instant)(&s.ExpiresAt), (*instant)(&s.ConsumedAt),
		&s.BrowserHash, &s.Uses)
	return s, err
}

func scanIntegration(row pgx.CollectableRow) (vault.Integration, error) {
	var i vault.Integration
	err := row.Scan(&i.ID, &i.Owner, &i.Connector, &i.ClientID, &i.Secrets, &i.Scopes, &i.Policy,
		(*instant)(&i.UpdatedAt))
	return i, err
}

func scanBreaker(row pgx.CollectableRow) (vault.Breaker, error) {
	var b vault.Breaker
	err := row.Scan(&b.IntegrationID, &b.Open, &b.Cause, &b.Reason, (*instant)(&b.OpenedAt),
		(*instant)(&b.NextProbeAt), &b.Opens)
	return b, err
}

func scanEvent(row pgx.CollectableRow) (vault.Event, error) {
	var e vault.Event
	err := row.Scan(&e.Sequence, &e.ID, &e.Type, &e.ConnectionID, &e.Connector, &e.Owner, &e.Status, &e.Reason,
		(*instant)(&e.At), (*instant)(&e.DispatchedAt))
	return e, err
}

func scanEndpoint(row pgx.CollectableRow) (vault.Endpoint, error) {
	var e vault.Endpoint
	err := row.Scan(&e.ID, &e.Owner, &e.URL, &e.Types, &e.Secrets, &e.Version, (*instant)(&e.CreatedAt),
		(*instant)(&e.DisabledAt), &e.DisabledReason)
	return e.Normalize(), err
}

// breakerDocument is a whole row of breakers in one value, where a statement has room for no more.
type breakerDocument struct {
	IntegrationID string             `json:"integration_id"`
	Open          bool               `json:"open"`
	Cause         vault.BreakerCause `json:"cause"`
	Reason        string             `json:"reason"`
	OpenedAt      time.Time          `json:"opened_at"`
	NextProbeAt   time.Time          `json:"next_probe_at"`
	Opens         int64              `json:"opens"`
}

// readBreaker reads a row that to_json wrote; NULL is the zero Breaker.
func readBreaker(document []byte) (vault.Breaker, error) {
	if document == nil {
		return vault.Breaker{}, nil
	}
	var d breakerDocument
	err := json.Unmarshal(document, &d)
	d.OpenedAt, d.NextProbeAt = d.OpenedAt.UTC(), d.NextProbeAt.UTC()
	return vault.Breaker(d), err
}
