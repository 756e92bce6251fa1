package oauth

import (
	"context"
	"net/http"
	"time"

	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/secret"
)

// Introspect asks the provider when an access token expires (RFC 7662 §2); zero if it does not say, or does not call the
// token active. The error is a [*Failure].
func (c *Client) Introspect(ctx context.Context, conn connector.Connector, app App, accessToken secret.String) (time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	t := c.transport(conn, conn.ClientCall(conn.IntrospectURL), app, Identify, Hooks{})
	t.extra = map[string]string{"token": accessToken.Reveal(), "token_type_hint": "access_token"}
	raw, err := t.send(ctx)
	if err != nil {
		return time.Time{}, err
	}
	reply := members(conn, raw)
	if raw.Status != http.StatusOK || reply.refused(conn) {
		return time.Time{}, classify(conn, Identify, raw, reply)
	}
	if flag(reply["active"]) != "true" {
		return time.Time{}, nil
	}
	// LinkedIn calls it expires_at.
	expires := moment(text(reply.any("exp", "expires_at"))).UTC()
	if !expires.After(raw.RequestedAt) {
		return time.Time{}, nil
	}
	if last := raw.RequestedAt.UTC().Add(maxLife); expires.After(last) {
		expires = last
	}
	return expires, nil
}
