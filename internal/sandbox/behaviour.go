package sandbox

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Rotation is what becomes of a refresh token that is spent.
type Rotation string

// Rotations.
const (
	// RotationFamily gives a new refresh token with each refresh; a second use of a spent one revokes its whole family
	// (RFC 9700 §4.14.2). The default.
	RotationFamily Rotation = "family"
	// RotationStrict gives a new one too; a second use is refused, and the family lives.
	RotationStrict Rotation = "strict"
	// RotationNone never spends a refresh token, and answers to refreshes carry none.
	RotationNone Rotation = "none"
)

// Behaviour is how the server keeps grants and time: lasting, where Faults pass. The zero value is the strict default.
// A change holds at once, also for tokens that are out already, and is kept in the state file.
// In JSON the durations are text ("30s"): grace, clock_skew, refresh_token_idle, refresh_token_lifetime,
// contacts_retry_after.
type Behaviour struct {
	// Rotation defaults to RotationFamily. A second use of an authorization code revokes its family in any case.
	Rotation Rotation `json:"rotation"`
	// Grace is how long after its first use a spent refresh token is taken again, as long as no token that came of it
	// was spent: older ones are a reuse even within the grace. Each such use gives a new pair in the same family, and
	// the pairs given before stay good, since the server cannot know which of them arrived. (It could not repeat the
	// same successor: the state holds hashes only.)
	Grace time.Duration `json:"-"`
	// SingleLive makes a new access token end the ones before it: those of the same family, or those that the same
	// client got by client credentials.
	SingleLive bool `json:"single_live"`
	// ClockSkew is how far the server's clock is ahead of the true one, or behind if negative. It shows in the Date
	// header, expires_at, the times of an id_token and of introspection; lifetimes are not touched.
	ClockSkew time.Duration `json:"-"`
	// RefreshTokenIdle is how long a refresh token lives unused; it defaults to 90 days.
	RefreshTokenIdle time.Duration `json:"-"`
	// RefreshTokenLifetime ends all refresh tokens of a family so long after the sign-in that it began with; 0 is never.
	RefreshTokenLifetime time.Duration `json:"-"`
	// AnnounceRefreshExpiry adds refresh_token_expires_in (seconds) to answers of families with a refresh token.
	AnnounceRefreshExpiry bool `json:"announce_refresh_expiry"`
	// AnnounceExpiresAt adds expires_at (Unix seconds, by the skewed clock) beside expires_in.
	AnnounceExpiresAt bool `json:"announce_expires_at"`
	// ContactsUnauthorizedEvery makes the contacts API revoke the access token, and answer 401, at every so many calls of
	// a grant: 10 by default, never if it is negative. The refresh token stays good.
	ContactsUnauthorizedEvery int `json:"contacts_unauthorized_every"`
	// ContactsThrottledEvery makes it answer 429 at every so many calls: 7 by default, never if it is negative.
	ContactsThrottledEvery int `json:"contacts_throttled_every"`
	// ContactsRetryAfter is the Retry-After of those, in whole seconds rounded up; it defaults to one.
	ContactsRetryAfter time.Duration `json:"-"`
}

const (
	defaultRefreshTokenIdle = 90 * 24 * time.Hour

	defaultContactsUnauthorizedEvery = 10
	defaultContactsThrottledEvery    = 7
	defaultContactsRetryAfter        = time.Second
)

func (b Behaviour) check() error {
	switch b.Rotation {
	case RotationFamily, RotationStrict, RotationNone, "":
	default:
		return fmt.Errorf("sandbox: rotation must be %s, %s or %s", RotationFamily, RotationStrict, RotationNone)
	}
	switch {
	case b.Grace < 0 || b.RefreshTokenIdle < 0 || b.RefreshTokenLifetime < 0 || b.ContactsRetryAfter < 0:
		return errors.New("sandbox: grace, refresh_token_idle, refresh_token_lifetime and contacts_retry_after must not be negative")
	case b.Grace > 0 && b.Rotation == RotationNone:
		return errors.New("sandbox: grace needs a rotation: with \"none\" no refresh token is ever spent")
	}
	return nil
}

func (b Behaviour) withDefaults() Behaviour {
	if b.Rotation == "" {
		b.Rotation = RotationFamily
	}
	if b.RefreshTokenIdle == 0 {
		b.RefreshTokenIdle = defaultRefreshTokenIdle
	}
	if b.ContactsUnauthorizedEvery == 0 {
		b.ContactsUnauthorizedEvery = defaultContactsUnauthorizedEvery
	}
	if b.ContactsThrottledEvery == 0 {
		b.ContactsThrottledEvery = defaultContactsThrottledEvery
	}
	if b.ContactsRetryAfter == 0 {
		b.ContactsRetryAfter = defaultContactsRetryAfter
	}
	return b
}

// refreshExpires is when a refresh token ends that was issued (or, if it does not rotate, used) and consented then.
func (b Behaviour) refreshExpires(issued, consented time.Time) time.Time {
	expires := issued.Add(b.RefreshTokenIdle)
	if b.RefreshTokenLifetime == 0 {
		return expires
	}
	if end := consented.Add(b.RefreshTokenLifetime); end.Before(expires) {
		return end
	}
	return expires
}

// MarshalJSON implements json.Marshaler: durations are texts such as "30s".
func (b Behaviour) MarshalJSON() ([]byte, error) {
	type plain Behaviour
	return json.Marshal(struct {
		plain
		Grace                duration `json:"grace"`
		ClockSkew            duration `json:"clock_skew"`
		RefreshTokenIdle     duration `json:"refresh_token_idle"`
		RefreshTokenLifetime duration `json:"refresh_token_lifetime"`
		ContactsRetryAfter   duration `json:"contacts_retry_after"`
	}{
		plain(b), duration(b.Grace), duration(b.ClockSkew), duration(b.RefreshTokenIdle), duration(b.RefreshTokenLifetime),
		duration(b.ContactsRetryAfter),
	})
}

// UnmarshalJSON implements json.Unmarshaler. It refuses members that it does not know.
func (b *Behaviour) UnmarshalJSON(text []byte) error {
	type plain Behaviour
	return unmarshalStrictly(text, &struct {
		*plain
		Grace                *duration `json:"grace"`
		ClockSkew            *duration `json:"clock_skew"`
		RefreshTokenIdle     *duration `json:"refresh_token_idle"`
		RefreshTokenLifetime *duration `json:"refresh_token_lifetime"`
		ContactsRetryAfter   *duration `json:"contacts_retry_after"`
	}{
		(*plain)(b),
		(*duration)(&b.Grace), (*duration)(&b.ClockSkew),
		(*duration)(&b.RefreshTokenIdle), (*duration)(&b.RefreshTokenLifetime), (*duration)(&b.ContactsRetryAfter),
	})
}

// SetBehaviour replaces the behaviour, for good: it outlives this Provider where there is a state file.
// Behaviour{} is the strict default.
func (p *Provider) SetBehaviour(ctx context.Context, b Behaviour) error {
	if err := b.check(); err != nil {
		return err
	}
	return p.store.setBehaviour(ctx, b.withDefaults())
}

// Behaviour returns the behaviour in force, defaults filled in.
func (p *Provider) Behaviour() Behaviour { return p.store.rules() }

// rules is the behaviour in force.
func (s *store) rules() Behaviour { return *s.behaviour.Load() }

// skewed is a time as the server tells it: off by the clock skew.
func (s *store) skewed(t time.Time) time.Time { return t.Add(s.rules().ClockSkew) }

func (s *store) setBehaviour(ctx context.Context, b Behaviour) error {
	text, err := json.Marshal(b)
	if err != nil {
		return err
	}
	return s.tx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `INSERT INTO meta (key, value) VALUES ('behaviour', ?)
			ON CONFLICT (key) DO UPDATE SET value = excluded.value`, text); err != nil {
			return fmt.Errorf("sandbox: keep behaviour: %w", err)
		}
		s.behaviour.Store(&b) // inside, so that of two setters the same one wins here and in the file
		return nil
	})
}

// loadBehaviour puts the kept behaviour in force, or the one given if none was ever set.
func (s *store) loadBehaviour(ctx context.Context, initial Behaviour) error {
	if err := initial.check(); err != nil {
		return err
	}
	b := initial.withDefaults()
	var text []byte
	err := s.db.QueryRowContext(ctx, `SELECT value FROM meta WHERE key = 'behaviour'`).Scan(&text)
	switch {
	case errors.Is(err, sql.ErrNoRows):
	case err != nil:
		return fmt.Errorf("sandbox: read behaviour: %w", err)
	default:
		b = Behaviour{}
		if err := json.Unmarshal(text, &b); err != nil {
			return fmt.Errorf("sandbox: the behaviour in the state file cannot be read: remove the file to start afresh: %w", err)
		}
		b = b.withDefaults() // of knobs that the file is older than
	}
	s.behaviour.Store(&b)
	return nil
}
