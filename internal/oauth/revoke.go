package oauth

import (
	"context"
	"net/http"

	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/secret"
)

// Revoke tells the provider to forget a token (RFC 7009 §2.1); hint is "refresh_token" or "access_token". A provider
// that does not know the token any more has succeeded. The error is a [*Failure].
func (c *Client) Revoke(ctx context.Context, conn connector.Connector, app App, token secret.String, hint string) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	r := conn.Revoke
	call := connector.TokenCall{
		URL: r.URL, Method: r.Method, Body: r.Body, Params: r.Params, Headers: r.Headers, Auth: conn.Token.Auth,
		Algorithm: conn.Token.Algorithm, Audience: conn.Token.Audience, Basic: conn.Token.Basic, Rename: conn.Token.Rename,
	}
	t := c.transport(conn, call, app, Revoke, Hooks{})
	t.authenticate = r.Auth == "" || r.Auth == connector.RevokeAsClient
	t.extra = make(map[string]string)
	switch {
	case r.TokenParam == "":
		t.extra["token"], t.extra["token_type_hint"] = token.Reveal(), hint
	case r.TokenParam != "-":
		t.extra[r.TokenParam] = token.Reveal()
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, r.URL, http.NoBody)
	if err != nil {
		return &Failure{Kind: EndpointWrong, Phase: Revoke}
	}
	if r.Auth == connector.RevokeByBearer {
		t.bearer = token
	}
	response, err := t.client().Do(request)
	if err == nil {
		err = response.Body.Close()
	}
	if failure := t.failure(err); failure != nil {
		return failure
	}
	reply := members(conn, *t.raw)
	if t.raw.Status >= 200 && t.raw.Status <= 299 && !reply.refused(conn) {
		return nil
	}
	if failure := classify(conn, Revoke, *t.raw, reply); failure.Kind != InvalidGrant && text(reply["error"]) != "invalid_token" {
		return failure
	}
	// Not RFC 7009 §2.2, but what Google and others say of a token that is gone.
	return nil
}
