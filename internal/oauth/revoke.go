package oauth

import (
	"context"
	"net/url"
	"strings"

	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/secret"
)

// Revoke tells the provider to forget a token (RFC 7009 §2.1); hint is "refresh_token" or "access_token". A provider
// that does not know the token any more has succeeded. The error is a [*Failure].
func (c *Client) Revoke(ctx context.Context, conn connector.Connector, app App, token secret.String, hint string) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	r := conn.Revoke
	call := conn.RevokeCall()
	call.URL = strings.ReplaceAll(call.URL, "{client_id}", url.PathEscape(app.ClientID))
	t := c.transport(conn, call, app, Revoke, Hooks{})
	t.authenticate = r.Auth != connector.RevokeByBearer && r.Auth != connector.RevokeWithoutKey
	t.extra = make(map[string]string)
	switch {
	case r.TokenParam == "":
		t.extra["token"], t.extra["token_type_hint"] = token.Reveal(), hint
	case r.TokenParam != "-":
		t.extra[r.TokenParam] = token.Reveal()
	}
	if r.Auth == connector.RevokeByBearer {
		t.bearer = token
	}
	raw, err := t.send(ctx)
	if err != nil {
		return err
	}
	reply := members(conn, raw)
	if raw.Status >= 200 && raw.Status <= 299 && !reply.refused(conn) {
		return nil
	}
	if failure := classify(conn, Revoke, raw, reply); failure.Kind != InvalidGrant && text(reply["error"]) != "invalid_token" {
		return failure
	}
	// Not RFC 7009 §2.2, but what Google and others say of a token that is gone.
	return nil
}
