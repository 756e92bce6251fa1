package vault

import (
	"context"
	"time"
)

// Sessions keeps connect sessions: single-use links of ours that lead to a connection which may not exist yet. They are
// found by hash only, as links are.
type Sessions interface {
	// CreateSession inserts a session (ErrExists).
	CreateSession(ctx context.Context, s Session) error
	// Session reads a session by the hash of its secret (ErrNotFound).
	Session(ctx context.Context, hash []byte) (Session, error)
	// SessionByID reads a session by id (ErrNotFound).
	SessionByID(ctx context.Context, id string) (Session, error)
	// OpenSession notes that a browser has shown an assertion of the session's end user. ErrExists if that assertion was
	// shown before, by whichever browser; ErrExpired (at o.At) or ErrConsumed if the session can no longer be opened:
	// the browser that used it may open it again; ErrNotFound.
	OpenSession(ctx context.Context, o SessionOpening) error
	// SessionOpened reports whether the browser has shown an assertion for the session.
	SessionOpened(ctx context.Context, id string, browserHash []byte) (bool, error)
	// UseSession consumes the session for one browser, and returns the row as it is then. Its connection becomes
	// u.ConnectionID if it was u.Replaces; otherwise it stays as it is. ErrNotFound, ErrExpired (at u.At), or
	// ErrConsumed if another browser has used it: the browser that used it may use it again until it expires, but
	// MaxSessionUses times in all (ErrExhausted).
	UseSession(ctx context.Context, u SessionUse) (Session, error)
}

// The kinds of sessions.
const (
	// SessionConnect makes a connection, or mends the one it was made for.
	SessionConnect = "connect"
	// SessionManage shows the connections of an owner.
	SessionManage = "manage"
)

// Session is a connect session.
type Session struct {
	ID string
	// Hash is SHA-256 of the secret in its link.
	Hash []byte
	// Kind is one of the Session constants.
	Kind  string
	Owner string
	// EndUser is the platform's id of the person who alone may open it; empty if anybody with the link may.
	EndUser string
	// Connectors are what may be chosen from; none if the session is for a connection that exists.
	Connectors []string
	Tags       map[string]string
	// ReturnURL is where the result leads; may be empty.
	ReturnURL string
	// ConfirmUser asks the person once more before the consent is used.
	ConfirmUser bool
	// ConnectionID is the connection that the session is for, or has made; empty until then.
	ConnectionID string
	// Popup says that the browser that used it shows it in a window of its own.
	Popup     bool
	CreatedAt time.Time
	ExpiresAt time.Time
	// ConsumedAt and BrowserHash are set by the browser that used it first.
	ConsumedAt  time.Time
	BrowserHash []byte
	// Uses is how often it was used, by that browser.
	Uses int64
}

// MaxSessionUses is how often a session may be used. Each use may store something, so that there must be an end; a choice
// that replaces another takes two.
const MaxSessionUses = 20

// SessionOpening is an assertion that a browser has shown.
type SessionOpening struct {
	SessionID string
	// AssertionHash is SHA-256 of the assertion's id.
	AssertionHash []byte
	BrowserHash   []byte
	At            time.Time
}

// SessionUse is one press of a session's button.
type SessionUse struct {
	Hash, BrowserHash []byte
	At                time.Time
	// ConnectionID is the connection to make, in place of Replaces, which is empty at first.
	ConnectionID, Replaces string
	Popup                  bool
}

// Admits reports whether a browser may use the session at a time: nil, ErrExpired or ErrConsumed.
func (s Session) Admits(browserHash []byte, at time.Time) error {
	link := Link{ExpiresAt: s.ExpiresAt, ConsumedAt: s.ConsumedAt, BrowserHash: s.BrowserHash}
	return link.Admits(AuthRequest{BrowserHash: browserHash, CreatedAt: at})
}

// AdmitsUse is Admits for a use: ErrExhausted too.
func (s Session) AdmitsUse(u SessionUse) error {
	if err := s.Admits(u.BrowserHash, u.At); err != nil {
		return err
	}
	if s.Uses >= MaxSessionUses {
		return ErrExhausted
	}
	return nil
}

// Use is the session after a use that it admits.
func (s Session) Use(u SessionUse) Session {
	if s.ConsumedAt.IsZero() {
		s.ConsumedAt, s.BrowserHash = u.At, u.BrowserHash
	}
	if s.ConnectionID == u.Replaces {
		s.ConnectionID = u.ConnectionID
	}
	s.Popup = u.Popup
	s.Uses++
	return s
}

// Normalize returns the session in the form in which it is stored.
func (s Session) Normalize() Session {
	s.Owner, s.EndUser = cleanText(s.Owner), cleanText(s.EndUser)
	s.Connectors, s.Tags = cleanList(s.Connectors), cleanMap(s.Tags)
	s.BrowserHash = cleanBytes(s.BrowserHash)
	s.CreatedAt, s.ExpiresAt, s.ConsumedAt = cleanTime(s.CreatedAt), cleanTime(s.ExpiresAt), cleanTime(s.ConsumedAt)
	return s
}

// Normalize returns the use in the form in which it is stored.
func (u SessionUse) Normalize() SessionUse {
	u.BrowserHash, u.At = cleanBytes(u.BrowserHash), cleanTime(u.At)
	return u
}
