package activities

import (
	"context"
	"log/slog"
	"time"

	"github.com/acme/connections/internal/oauth"
	"github.com/acme/connections/internal/renewal"
	"github.com/acme/connections/internal/vault"
)

// introspectLimit bounds asking the provider when a token expires: the token waits for the answer.
const introspectLimit = 3 * time.Second

// expiry is when the access token of a reply expires. The reply comes first, then what the connector says (both are in
// the reply as it was parsed), then the provider if it can be asked (RFC 7662), then the life of the token before. Zero
// if nobody knows, or if the provider's tokens have no end.
func (a *Activities) expiry(ctx context.Context, g grant, attempt vault.Attempt, reply oauth.Reply) time.Time {
	if !reply.ExpiresAt.IsZero() || g.connector.NeverExpires {
		return reply.ExpiresAt
	}
	if expires := a.introspected(ctx, g, reply); !expires.IsZero() {
		return expires
	}
	if life := learnedLife(g, attempt); life > 0 {
		return reply.IssuedAt.Add(life)
	}
	return time.Time{}
}

// introspected asks the provider; zero if it cannot be asked, or does not say. That costs nothing but the answer.
func (a *Activities) introspected(ctx context.Context, g grant, reply oauth.Reply) time.Time {
	if g.connector.IntrospectURL == "" {
		return time.Time{}
	}
	ctx, cancel := context.WithTimeout(ctx, introspectLimit)
	defer cancel()
	expires, err := a.oauth.Introspect(ctx, g.connector, g.app, reply.AccessToken)
	if err != nil {
		a.log.Warn("introspection of a new token failed", slog.String("connection", g.connection.ID))
	}
	return expires
}

// learnedLife is how long the token before lived; 0 if nobody knew, or if it was of another kind: a short-lived token says
// nothing of the long-lived one that it is swapped for, nor that of the next one.
func learnedLife(g grant, attempt vault.Attempt) time.Duration {
	before := g.connection
	switch {
	case before.IssuedAt.IsZero() || before.ExpiresAt.IsZero():
		return 0
	case g.connector.Upgrade != nil && (attempt.Kind == string(oauth.Exchange) || renewal.UpgradePending(g.connector, before)):
		return 0
	default:
		return max(before.ExpiresAt.Sub(before.IssuedAt), 0)
	}
}
