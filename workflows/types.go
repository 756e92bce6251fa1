package workflows

import "time"

// ConnectionInput starts a connection workflow. It holds no secret: those are in the vault row of the same id.
type ConnectionInput struct {
	ID          string `json:"id"`
	Owner       string `json:"owner"`
	Connector   string `json:"connector"`
	Integration string `json:"integration"`
	Grant       Grant  `json:"grant"`
	// ConsentDeadline is when a connection that nobody consented to expires. Ignored for client credentials.
	ConsentDeadline time.Time `json:"consent_deadline,omitzero"`
	// Carried is the state that a new run goes on from: after continue-as-new, or after a restart from the vault row.
	Carried *State `json:"carried,omitempty"`
}

// State is everything that a run hands to the next one. All times are absolute.
type State struct {
	Status ConnectionStatus `json:"status"`
	Reason Reason           `json:"reason,omitempty"`
	// StatusSeq numbers the changes of status, so that a late write of an older one loses against a newer.
	StatusSeq int64     `json:"status_seq"`
	Since     time.Time `json:"since,omitzero"`
	// ConsentDeadline is the end of the open consent window.
	ConsentDeadline time.Time `json:"consent_deadline,omitzero"`
	Token           TokenSet  `json:"token"`
	// Failures counts failed attempts since the last success.
	Failures    int64     `json:"failures,omitempty"`
	LastFailure time.Time `json:"last_failure,omitzero"`
	// WakeAt is when the next attempt is due; zero if nothing is.
	WakeAt time.Time `json:"wake_at,omitzero"`
	// NotBefore is when the provider wants to be called again at the earliest.
	NotBefore time.Time `json:"not_before,omitzero"`
	// InDoubt is set while the outcome of the last attempt is unknown.
	InDoubt bool `json:"in_doubt,omitempty"`
	// Doubts counts the attempts with an unknown outcome since the last whose outcome was known.
	Doubts int64 `json:"doubts,omitempty"`
	// PausedFrom is the status to return to.
	PausedFrom       ConnectionStatus `json:"paused_from,omitempty"`
	PausedFromReason Reason           `json:"paused_from_reason,omitempty"`
	// Callbacks were received and not yet handled.
	Callbacks []Callback `json:"callbacks,omitempty"`
	// RefusedAt is when the provider first refused the grant without being believed: see [FailureDetails].Unconfirmed.
	RefusedAt time.Time `json:"refused_at,omitzero"`
	// AwakeSince is when the token was last known to be wanted: at a consent, and when a caller waited for a refresh.
	AwakeSince time.Time `json:"awake_since,omitzero"`
	// Asleep is set while the token is not renewed because nobody reads it.
	Asleep bool `json:"asleep,omitempty"`
	// Runs counts continue-as-new.
	Runs int64 `json:"runs,omitempty"`
}

// TokenSet is one generation of tokens, as the vault holds it, without its secrets in clear.
type TokenSet struct {
	Generation int64     `json:"generation"`
	IssuedAt   time.Time `json:"issued_at,omitzero"`
	// ExpiresAt is zero if the provider named no expiry and the connector knows none.
	ExpiresAt time.Time `json:"expires_at,omitzero"`
	// RenewBy is a time to renew at that stands in for an unknown expiry; zero if ExpiresAt is known.
	RenewBy time.Time `json:"renew_by,omitzero"`
	// RenewFrom and RenewTo bound the time of renewal where the provider has a say in it; zero if it has none.
	RenewFrom time.Time `json:"renew_from,omitzero"`
	RenewTo   time.Time `json:"renew_to,omitzero"`
	// RefreshIdleAt is when the refresh token dies unless it is used before; zero if unknown.
	RefreshIdleAt time.Time `json:"refresh_idle_at,omitzero"`
	// ConsentedAt and GrantEndsAt bound the grant that the tokens stand on: from GrantEndsAt on only a new consent
	// helps. Zero if unknown.
	ConsentedAt time.Time `json:"consented_at,omitzero"`
	GrantEndsAt time.Time `json:"grant_ends_at,omitzero"`
	Scopes      []string  `json:"scopes,omitempty"`
	// Type is the token type as the provider named it, "Bearer" if it named none (RFC 6749 §7.1).
	Type string `json:"type,omitempty"`
	// Renewable is set if the vault holds what a renewal needs.
	Renewable bool `json:"renewable,omitempty"`
	// Rotates is set if each renewal spends the refresh token.
	Rotates bool `json:"rotates,omitempty"`
	// GraceSeconds is how long after a renewal the provider still takes the refresh token that was spent in it.
	GraceSeconds int64 `json:"grace_seconds,omitempty"`
	// Unread is set in the answer to a [RenewInput] with UnreadSince: nothing was renewed, since nobody reads it.
	Unread bool `json:"unread,omitempty"`
	// Sealed is the access token, sealed with the keyset "access".
	Sealed []byte `json:"sealed,omitempty"`
}

// Callback is the payload of signal "callback".
type Callback struct {
	// RequestID is the id of the authorization request that the browser came back from.
	RequestID string `json:"request_id"`
	// SealedCode is the authorization code, sealed with the keyset "vault".
	SealedCode []byte `json:"sealed_code,omitempty"`
	// Reason is set instead of SealedCode if the person or the provider refused.
	Reason Reason `json:"reason,omitempty"`
}

// Status is the answer to query "status" and to the updates that change it.
type Status struct {
	ID        string           `json:"id"`
	Connector string           `json:"connector"`
	Owner     string           `json:"owner"`
	Grant     Grant            `json:"grant"`
	Status    ConnectionStatus `json:"status"`
	Reason    Reason           `json:"reason"`
	Message   string           `json:"message"`
	Since     time.Time        `json:"since"`
	// StatusSeq numbers the changes of status and reason; the vault's row has the number of the change that it holds.
	StatusSeq  int64 `json:"status_seq"`
	Generation int64 `json:"generation"`
	Failures   int64 `json:"failures"`
	// IssuedAt, ExpiresAt, NextRefreshAt and ConsentDeadline are null where there is none.
	IssuedAt        *time.Time `json:"issued_at"`
	ExpiresAt       *time.Time `json:"expires_at"`
	NextRefreshAt   *time.Time `json:"next_refresh_at"`
	ConsentDeadline *time.Time `json:"consent_deadline"`
	// GrantEndsAt is when only a new consent helps, where the provider's rules say so.
	GrantEndsAt *time.Time `json:"grant_ends_at"`
	// Asleep is set while the token is not renewed because nobody reads it; the next read renews it.
	Asleep bool     `json:"asleep"`
	Scopes []string `json:"scopes"`
}

// AccessToken is the answer to query "token", to update "refresh" and to [Token]: a token that is sealed, so that it may be
// in a history, and what is to be known of it.
type AccessToken struct {
	Status     ConnectionStatus `json:"status"`
	Reason     Reason           `json:"reason"`
	Generation int64            `json:"generation"`
	IssuedAt   *time.Time       `json:"issued_at"`
	ExpiresAt  *time.Time       `json:"expires_at"`
	// Stale is set if the token has expired or the status does not hand it out.
	Stale  bool     `json:"stale"`
	Scopes []string `json:"scopes"`
	Type   string   `json:"type"`
	// Sealed is the access token, sealed with the keyset "access"; absent while the status does not hand it out. Open it
	// inside an activity, never in workflow code.
	Sealed []byte `json:"sealed,omitempty"`
}

// TokenRequest is the argument of activities "Token" and "AwaitToken" and of the Nexus operation "token".
type TokenRequest struct {
	ID string `json:"id"`
	// MinLifeSeconds is for how much longer the token should live; one that lives for less is renewed first.
	MinLifeSeconds int64 `json:"min_life_seconds,omitempty"`
	// Owner, if there is one, is whose the connection must be: that of another owner is "not_found".
	Owner string `json:"owner,omitempty"`
}

// StatusRequest is the argument of the Nexus operation "status".
type StatusRequest struct {
	ID string `json:"id"`
	// Owner is that of [TokenRequest].
	Owner string `json:"owner,omitempty"`
}

// Refresh is the argument of update "refresh".
type Refresh struct {
	// Generation is the one that the caller has seen. If the connection has a newer one, that is the answer.
	Generation int64 `json:"generation"`
}

// Reconnect is the argument of update "reconnect".
type Reconnect struct {
	// ConsentDeadline ends the new consent window. Required for the authorization code grant.
	ConsentDeadline time.Time `json:"consent_deadline,omitzero"`
}

// Pause is the argument of update "pause".
type Pause struct{}

// Resume is the argument of update "resume".
type Resume struct{}

// Disconnect is the argument of update "disconnect".
type Disconnect struct{}
