package oauth_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/oauth"
	"github.com/acme/connections/internal/secret"
)

func revoke(t testing.TB, c connector.Connector) error {
	t.Helper()
	return newClient().Revoke(t.Context(), c, app(), secret.New(canary+"-rt"), "refresh_token")
}

func TestRevoke_Request(t *testing.T) {
	t.Parallel()
	p := replying(t, 200, "")
	require.NoError(t, revoke(t, p.connector()))
	r := p.only(t)
	require.Equal(t, http.MethodPost, r.method)
	require.Equal(t, "/revoke", r.path)
	require.Empty(t, r.query)
	require.Equal(t, map[string]string{"token": canary + "-rt", "token_type_hint": "refresh_token"}, flat(t, r.form), "RFC 7009 §2.1")
}

func TestRevoke_Outcomes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		status int
		body   string
		want   oauth.Kind // "" is success
	}{
		{"RFC 7009 §2.2: 200, also for an unknown token", 200, "", ""},
		{"204", 204, "", ""},
		{"200 as a page", 200, "<html>" + canary, ""},
		{"Google: invalid_token for one that is gone", 400, `{"error":"invalid_token","error_description":"` + canary + `"}`, ""},
		{"invalid_grant for one that is gone", 400, `{"error":"invalid_grant"}`, ""},
		{"RFC 7009 §2.2.1: 503", 503, "", oauth.ServerError},
		{"RFC 7009 §2.2.1: unsupported_token_type", 400, `{"error":"unsupported_token_type"}`, oauth.UnknownError},
		{"invalid_client", 401, `{"error":"invalid_client"}`, oauth.InvalidClient},
		{"unauthorized_client", 400, `{"error":"unauthorized_client"}`, oauth.AppRefused},
		{"429", 429, canary, oauth.Throttled},
		{"404", 404, "<html>" + canary, oauth.EndpointWrong},
		{"405", 405, "", oauth.EndpointWrong},
		{"401, empty", 401, "", oauth.UnknownError},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := replying(t, c.status, c.body, "Retry-After", "7")
			err := revoke(t, p.connector())
			p.only(t)
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			f := failureOf(t, err, c.want)
			require.Equal(t, oauth.Revoke, f.Phase)
			require.Equal(t, 7*time.Second, f.RetryAfter)
		})
	}
}

func TestRevoke_WithoutAReply(t *testing.T) {
	t.Parallel()
	target := replying(t, 200, "")
	p := replying(t, http.StatusTemporaryRedirect, "", "Location", target.URL)
	requireFailure(t, revoke(t, p.connector()), oauth.EndpointWrong)
	require.Empty(t, target.requests())

	p = newProvider(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	require.True(t, failureOf(t, revoke(t, p.connector()), oauth.ReplyLost).Sent)
	p.only(t)

	require.False(t, failureOf(t, revoke(t, at(nobody)), oauth.Unreachable).Sent)

	requireFailure(t, revoke(t, at("https://provider.test", func(c *connector.Connector) { c.Revoke.URL = "https://" + canary + "\x00/" })), oauth.EndpointWrong)
}

func TestRevoke_PublicClientSendsNoEmptySecret(t *testing.T) {
	t.Parallel()
	p := replying(t, 200, "")
	require.NoError(t, newClient().Revoke(t.Context(), p.connector(post), oauth.App{ClientID: "id"}, secret.New("at"), "access_token"))
	require.Equal(t, map[string]string{"token": "at", "token_type_hint": "access_token", "client_id": "id"}, flat(t, p.only(t).form))
}
