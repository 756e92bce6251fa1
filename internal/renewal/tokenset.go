// Package renewal says what a workflow may know of the tokens in a connection's row, and when its connector wants them
// renewed.
package renewal

import (
	"time"

	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// unknownLife is what a token of unknown expiry is given: an hour, the commonest life there is.
const unknownLife = time.Hour

// untilFirstUse stands for a grace that ends when the new token is used: if its reply was lost, nobody uses it.
const untilFirstUse = 24 * time.Hour

// The metadata that says whether a token is yet to be swapped for a long-lived one.
const (
	MetadataTokenKind = "token_kind"
	ShortLived        = "short_lived"
	LongLived         = "long_lived"
)

// UpgradePending reports whether the connection's token is the short-lived one of an exchange.
func UpgradePending(conn connector.Connector, c vault.Connection) bool {
	return conn.Upgrade != nil && c.Metadata[MetadataTokenKind] == ShortLived
}

// TokenSet is what the workflow may know of a row's tokens.
func TokenSet(conn connector.Connector, c vault.Connection) workflows.TokenSet {
	set := workflows.TokenSet{
		Generation: c.Generation, IssuedAt: c.IssuedAt.UTC(), ExpiresAt: c.ExpiresAt, Scopes: c.GrantedScopes,
		Type: c.TokenType, Sealed: c.AccessToken,
		Renewable: c.RefreshToken != nil || c.Grant == string(workflows.GrantClientCredentials),
	}
	pending := UpgradePending(conn, c)
	if c.Grant == string(workflows.GrantAuthorizationCode) {
		set.Rotates, set.GraceSeconds = conn.MayRotate() && !pending, conn.Refresh.GraceSeconds
		if conn.Refresh.SpentOn == connector.SpentOnFirstUse {
			set.GraceSeconds = int64(untilFirstUse.Seconds())
		}
		if pending || conn.Refresh.TokenSource == connector.FromAccessToken {
			set.Renewable = c.AccessToken != nil
		}
	}
	if set.ExpiresAt.IsZero() && set.Renewable && (pending || !conn.NeverExpires) {
		set.RenewBy = set.IssuedAt.Add(unknownLife)
	}
	set.RenewFrom, set.RenewTo = bounds(conn.Refresh, set, pending)
	set.ConsentedAt = c.ConsentedAt
	if set.Renewable && c.Grant == string(workflows.GrantAuthorizationCode) {
		set.RefreshIdleAt, set.GrantEndsAt = grantLife(conn.Refresh, c)
	}
	return set
}

// grantLife says when the refresh token dies of disuse, and when the grant ends whatever is done (zero if unknown). A life
// that the provider named is that of the refresh token in hand: where refreshes bring new ones it ends only if none is
// made.
func grantLife(r connector.Refresh, c vault.Connection) (idleAt, endsAt time.Time) {
	if r.IdleSeconds > 0 {
		idleAt = c.IssuedAt.Add(time.Duration(r.IdleSeconds) * time.Second)
	}
	if r.LifetimeSeconds > 0 && !c.ConsentedAt.IsZero() {
		endsAt = c.ConsentedAt.Add(time.Duration(r.LifetimeSeconds) * time.Second)
	}
	named, err := time.Parse(time.RFC3339, c.Metadata[connector.MetadataRefreshExpiresAt])
	switch {
	case err != nil:
	case r.Rotates != nil && *r.Rotates:
		idleAt = earlier(idleAt, named)
	default:
		endsAt = earlier(endsAt, named)
	}
	return idleAt, endsAt
}

// earlier is the earlier of two times, of which the zero time is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

// bounds limit the time of the next renewal by what the connector knows: a short-lived token is swapped at once.
func bounds(r connector.Refresh, set workflows.TokenSet, pending bool) (from, to time.Time) {
	if pending {
		return time.Time{}, set.IssuedAt
	}
	seconds := func(n int64) time.Duration { return time.Duration(n) * time.Second }
	if r.MinIntervalSeconds > 0 {
		from = set.IssuedAt.Add(seconds(r.MinIntervalSeconds))
	}
	if set.ExpiresAt.IsZero() {
		return from, to
	}
	if lead := seconds(r.LeadSeconds); lead > 0 && lead < set.ExpiresAt.Sub(set.IssuedAt) {
		// A lead as long as the life itself would have each new token renewed at once.
		to = set.ExpiresAt.Add(-lead)
	}
	if r.WindowSeconds > 0 {
		if opens := set.ExpiresAt.Add(-seconds(r.WindowSeconds)); opens.After(from) {
			from = opens
		}
	}
	return from, to
}
