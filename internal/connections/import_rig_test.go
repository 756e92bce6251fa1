package connections_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/connections/connectionstest"
	"github.com/acme/connections/internal/importfile"
	"github.com/acme/connections/internal/oauth"
	"github.com/acme/connections/internal/secret"
	"github.com/acme/connections/workflows"
)

// elsewhere gets a grant from the sandbox as another system would that has the same OAuth app: nothing of it is in the
// vault.
func elsewhere(t *testing.T, r *connectionstest.Rig) oauth.Reply {
	t.Helper()
	conn, err := r.Catalogue.Get(t.Context(), "sandbox")
	require.NoError(t, err)
	app := oauth.App{ClientID: r.Sandbox.Clients().App.ID, Secret: r.Sandbox.Clients().App.Secret}
	verifier, state := oauth.NewVerifier(), secret.New("state-of-the-other-system")
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	browser := &http.Client{Jar: jar, Transport: &http.Transport{DisableKeepAlives: true}, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
	visit := func(method, address string, form url.Values) url.Values {
		request, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(form.Encode()))
		require.NoError(t, err)
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		response, err := browser.Do(request)
		require.NoError(t, err)
		defer func() { _ = response.Body.Close() }()
		_, err = io.Copy(io.Discard, response.Body)
		require.NoError(t, err)
		to, err := url.Parse(response.Header.Get("Location"))
		require.NoError(t, err)
		return to.Query()
	}
	home := r.Sandbox.Endpoints().Issuer
	id := visit(http.MethodGet, oauth.AuthorizeURL(conn, app.ClientID, r.Client.RedirectURI(), state.Reveal(), verifier, conn.DefaultScopes("authorization_code")), nil)["id"]
	visit(http.MethodPost, home+"/login", url.Values{"id": id, "username": {"demo"}, "password": {"demo"}})
	code := visit(http.MethodPost, home+"/consent", url.Values{"id": id, "decision": {"allow"}}).Get("code")
	reply, err := oauth.NewClient(workflows.HTTPLimit, time.Now).Exchange(t.Context(), conn, app, secret.New(code), verifier, r.Client.RedirectURI(), oauth.Hooks{})
	require.NoError(t, err)
	require.False(t, reply.RefreshToken.Empty())
	return reply
}

// fields are a record of a file.
type fields map[string]any

// owners are those of the tests.
var owners sync.Map

// ownerOf is an owner of the test's own, another one each time that it runs: ids follow from it, and tests share one
// Temporal.
func ownerOf(t *testing.T) string {
	t.Helper()
	owner, _ := owners.LoadOrStore(t, t.Name()+" "+uuid.NewString())
	return fmt.Sprint(owner)
}

// recordOf is a grant as another system exports it.
func recordOf(t *testing.T, externalID string, reply oauth.Reply) fields {
	return fields{
		"connector": "sandbox", "owner": ownerOf(t), "external_id": externalID, "access_token": reply.AccessToken.Reveal(),
		"refresh_token": reply.RefreshToken.Reveal(), "expires_at": reply.ExpiresAt, "issued_at": reply.IssuedAt, "scopes": reply.Scopes,
	}
}

// madeUp is a record with tokens of nobody's that live for an hour.
func madeUp(t *testing.T, externalID string) fields {
	return fields{
		"connector": "sandbox", "owner": ownerOf(t), "external_id": externalID, "access_token": "made-up-access-" + externalID,
		"refresh_token": "made-up-refresh-" + externalID, "expires_at": time.Now().Add(time.Hour).Unix(),
	}
}

// with is the record with other values; nil takes a field away.
func (f fields) with(name string, value any) fields {
	changed := maps.Clone(f)
	changed[name] = value
	return changed
}

// lines is a file of records.
func lines(t *testing.T, records ...fields) string {
	t.Helper()
	var all strings.Builder
	for _, record := range records {
		content, err := json.Marshal(record)
		require.NoError(t, err)
		all.Write(content)
		all.WriteByte('\n')
	}
	return all.String()
}

// runImport imports a file of a format; its error fails the test.
func runImport(t *testing.T, c *connections.Client, format, file string, o connections.ImportOptions) connections.ImportReport {
	t.Helper()
	report, err := tryImport(t, c, format, file, o)
	require.NoError(t, err)
	require.Equal(t, report.Records, report.Created+report.AlreadyThere+report.Replaced+report.Failed)
	return report
}

func tryImport(t *testing.T, c *connections.Client, format, file string, o connections.ImportOptions) (connections.ImportReport, error) {
	t.Helper()
	records, err := importfile.NewReader(strings.NewReader(file), format)
	require.NoError(t, err)
	return c.Import(t.Context(), records, o)
}
