package vault

import "time"

// Connection is the directory row of a connection, and its tokens.
type Connection struct {
	ID            string
	Owner         string
	Connector     string
	IntegrationID string
	// Grant is "authorization_code" or "client_credentials".
	Grant string
	// EndUser is the platform's id of the person who is to consent; may be empty.
	EndUser string
	Tags    map[string]string
	// Inputs fill the templates of the connector's URLs.
	Inputs map[string]string
	// Metadata is what the provider told beside the tokens.
	Metadata map[string]string
	// RequestedScopes are what the grant in hand was asked for, or, before the first, what is to be asked for.
	RequestedScopes []string
	GrantedScopes   []string
	// ChosenScopes were chosen for this connection when it was made; nil for those of its integration.
	ChosenScopes []string
	// Policy is one of the Policy constants, or empty for the integration's.
	Policy string
	// ConsentedAt is when the grant that the tokens stand on was given: at each exchange.
	ConsentedAt time.Time

	Status    string
	Reason    string
	StatusSeq int64
	StatusAt  time.Time

	// Generation counts token sets; 0 means none yet.
	Generation int64
	// Failures counts failed attempts since the last success.
	Failures  int64
	TokenType string
	IssuedAt  time.Time
	// ExpiresAt is zero if the expiry is unknown.
	ExpiresAt time.Time
	// AccessToken is sealed with the keyset "access", RefreshToken with the keyset "vault"; nil if there is none.
	AccessToken  []byte
	RefreshToken []byte

	CreatedAt time.Time
	// UpdatedAt is set by the store, at each write.
	UpdatedAt      time.Time
	TombstoneUntil time.Time
}

// ConnectionFilter selects rows; empty fields select all.
type ConnectionFilter struct {
	Owner, EndUser, Connector, Status, IntegrationID string
	// Living leaves out those that are disconnected or expired.
	Living bool
	// Tags are tags that a connection must all have.
	Tags map[string]string
	// After is the id to go on from, exclusive.
	After string
	// Limit is capped at 1,000; 0 means 100.
	Limit int
}

// StatusChange is a status with its place in the order of changes.
type StatusChange struct {
	ID, Status, Reason string
	Seq                int64
	At                 time.Time
}

// TokenCommit is a token set to store.
type TokenCommit struct {
	ConnectionID   string
	AttemptID      string
	FromGeneration int64
	AccessToken    []byte
	// RefreshToken replaces the stored one, also by nil.
	RefreshToken []byte
	TokenType    string
	IssuedAt     time.Time
	ExpiresAt    time.Time
	// GrantedScopes replaces the stored list.
	GrantedScopes []string
	// Metadata is merged into the stored map.
	Metadata map[string]string
	// Inputs are merged into the stored map: the provider may route a connection elsewhere.
	Inputs map[string]string
	// ConsentedAt and RequestedScopes replace the stored ones if they are set: an exchange brings them.
	ConsentedAt     time.Time
	RequestedScopes []string
}

// AttemptState is how far an attempt has come.
type AttemptState string

// The states of an attempt. Begun, Sent and Replied are open; the others are ends.
const (
	AttemptBegun      AttemptState = "begun"
	AttemptSent       AttemptState = "sent"
	AttemptReplied    AttemptState = "replied"
	AttemptDone       AttemptState = "done"
	AttemptFailed     AttemptState = "failed"
	AttemptInDoubt    AttemptState = "in_doubt"
	AttemptSuperseded AttemptState = "superseded"
)

// AttemptAnyGeneration lets BeginAttempt leave whatever generation the row has.
const AttemptAnyGeneration = -1

// AttemptStart asks to begin an attempt.
type AttemptStart struct {
	ID           string
	ConnectionID string
	// Kind is "exchange", "refresh", "client_credentials" or "revoke".
	Kind string
	// Generation is the one to leave, or AttemptAnyGeneration.
	Generation int64
	// RequestID is the authorization request of an exchange; at most one attempt with a given RequestID is ever begun
	// past the point where bytes were sent.
	RequestID string
	Lease     time.Duration
	// Settle allows beginning although the last attempt on this generation ended in doubt. It does not lift a doubt
	// about RequestID.
	Settle bool
	// UnreadSince, if set, asks for BeginUnread where nobody has read the connection since.
	UnreadSince time.Time
	// Probe begins although the integration's breaker is open.
	Probe bool
}

// PassesBreaker reports whether the attempt may begin although the integration's breaker is open.
func (s AttemptStart) PassesBreaker() bool { return s.Probe || s.RequestID != "" }

// AttemptOutcome says what BeginAttempt found.
type AttemptOutcome string

// The outcomes of BeginAttempt, checked in this order.
const (
	// BeginNewer: the row's generation is not AttemptStart.Generation any more.
	BeginNewer AttemptOutcome = "newer"
	// BeginReplied: an unfinished attempt has a stored reply: finish it from that. Attempts of the same generation (or
	// for this RequestID) whose reply came late (in doubt, but with a reply) count too.
	BeginReplied AttemptOutcome = "replied"
	// BeginInFlight: another attempt is open and its lease has not run out.
	BeginInFlight AttemptOutcome = "in_flight"
	// BeginUnread: the last read was before AttemptStart.UnreadSince, or there was none, and the policy is adaptive. A doubt about this RequestID
	// comes first.
	BeginUnread AttemptOutcome = "unread"
	// BeginSuspended: the breaker of the row's integration is open, and this is neither a probe nor for a RequestID: a
	// consent is never suspended.
	BeginSuspended AttemptOutcome = "suspended"
	// BeginInDoubt: the last attempt on this generation (or for this RequestID) was sent and its outcome is unknown;
	// attempts whose lease ran out after "sent" are turned into this.
	BeginInDoubt AttemptOutcome = "in_doubt"
	// BeginSpent: an attempt for this RequestID has ended (done, failed), so its code must not be sent again. A
	// superseded attempt spent nothing and does not count.
	BeginSpent AttemptOutcome = "spent"
	// BeginStarted: the attempt is open and ours. Attempts whose lease ran out before "sent" are superseded.
	BeginStarted AttemptOutcome = "started"
)

// Begun is the result of BeginAttempt. Connection is the row as it was read under the same lock.
type Begun struct {
	Outcome    AttemptOutcome
	Connection Connection
	// Attempt is the new one for BeginStarted, the one in the way otherwise; zero for BeginNewer, BeginUnread and
	// BeginSuspended.
	Attempt Attempt
	// Breaker is that of the row's integration, zero if nothing failed; set for BeginStarted and BeginSuspended.
	Breaker Breaker
	// Unheard says, for BeginStarted, that the same token has been sent before by a process that was gone, or frozen,
	// when its lease ran out: the provider may have answered, and the loss is ours. A provider that answers badly, or
	// not at all, to a process that listens is something else.
	Unheard bool
}

// Attempt is one call, or try of a call, that spends something at a provider.
type Attempt struct {
	ID           string
	ConnectionID string
	Kind         string
	// Generation is the row's generation when the attempt began.
	Generation int64
	RequestID  string
	State      AttemptState
	Reason     string
	// Reply is the raw reply, sealed with the keyset "vault"; nil if none came, and again once the attempt was
	// finished from it (CommitTokens). That of a failed attempt is kept for the operator, until a newer attempt of the
	// connection ends.
	Reply      []byte
	BegunAt    time.Time
	SentAt     time.Time
	EndedAt    time.Time
	LeaseUntil time.Time
}

// Link is a connect link: a single-use URL of ours that opens the Connect page for one connection.
type Link struct {
	// Hash is SHA-256 of the link's secret.
	Hash         []byte
	ConnectionID string
	CreatedAt    time.Time
	ExpiresAt    time.Time
	// ConsumedAt and BrowserHash are set by the browser that pressed the button.
	ConsumedAt  time.Time
	BrowserHash []byte
	// AnyAccount lets the consent come from another account than the one connected.
	AnyAccount bool
	// SessionID is the connect session that the link belongs to; empty for a link of its own.
	SessionID string
}

// AuthRequest is an authorization request (RFC 6749 §4.1.1) that waits for its answer.
type AuthRequest struct {
	ID           string
	StateHash    []byte
	ConnectionID string
	LinkHash     []byte
	// Issuer is what the answer's "iss" must equal (RFC 9207); empty if the provider announces none.
	Issuer      string
	RedirectURI string
	Scopes      []string
	BrowserHash []byte
	// Verifier is the PKCE verifier, and Code the answer's code, both sealed with the keyset "vault".
	Verifier  []byte
	Code      []byte
	CreatedAt time.Time
	ExpiresAt time.Time
	// ConsumedAt is set once, by the first answer.
	ConsumedAt time.Time
	// Captured, Inputs and GrantedScopes are what the answer told beside the code: metadata, inputs of the connector
	// that it sets, and scopes. They are checked, and none of them is a secret.
	Captured      map[string]string
	Inputs        map[string]string
	GrantedScopes []string
	// Outcome is empty while the outcome is open, "connected", or a reason code.
	Outcome string
	// Held keeps the code from being used until the person has confirmed.
	Held bool
}

// Consumption is the first answer to an authorization request: a code or an outcome.
type Consumption struct {
	RequestID string
	At        time.Time
	Code      []byte
	Outcome   string
	// Captured, Inputs and GrantedScopes go with the code; see [AuthRequest].
	Captured      map[string]string
	Inputs        map[string]string
	GrantedScopes []string
	// Held is that of [AuthRequest].
	Held bool
}

// Integration is a connector plus one OAuth app.
type Integration struct {
	ID string
	// Owner is empty for the platform's own.
	Owner     string
	Connector string
	ClientID  string
	// Secrets are sealed with the keyset "vault", in the order in which they are to be tried.
	Secrets [][]byte
	Scopes  []string
	// Policy is one of the Policy constants, or empty for adaptive.
	Policy string
	// UpdatedAt is set by the store, at each write.
	UpdatedAt time.Time
}
