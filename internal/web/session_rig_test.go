package web

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/vault"
)

const (
	assertionSecret = "the platform and we share this secret"
	returnURL       = "https://app.example/done"
)

// allowSessions gives the rig's client return URLs and a key for assertions.
func (r *rig) allowSessions() {
	r.t.Helper()
	c := r.Client.Config
	var err error
	c.ReturnURLs, err = connections.ParseReturnURLs(returnURL + " http://127.0.0.1:9/done")
	require.NoError(r.t, err)
	c.AssertionKey, err = connections.ParseAssertionKey([]byte(assertionSecret))
	require.NoError(r.t, err)
	r.Client = connections.New(c)
}

// offer adds connectors that are the sandbox in other clothes: "shop" wants an input, "own" a customer's own app, and
// "robot" has client credentials only.
func (r *rig) offer() {
	r.t.Helper()
	sandbox, err := r.Catalogue.Get(r.t.Context(), "sandbox")
	require.NoError(r.t, err)
	shop, own, robot := sandbox, sandbox, sandbox
	authorize := *sandbox.Authorize
	authorize.Params = map[string]string{"shop": "{shop}"}
	shop.ID, shop.Name, shop.Category, shop.Authorize = "shop", "Corner Shop", "ecommerce", &authorize
	shop.Inputs = []connector.Input{{Name: "shop", Label: "Shop name", Example: "my-store", Pattern: "^[a-z0-9-]+$"}}
	own.ID, own.Name, own.Category, own.App = "own", "Own Cloud", "storage", connector.AppCustomer
	robot.ID, robot.Name, robot.Category = "robot", "Robot Works", "iot"
	robot.Grants, robot.Authorize = []string{connector.ClientCredentials}, nil
	for _, c := range []connector.Connector{shop, own, robot} {
		require.NoError(r.t, r.Catalogue.Add(c))
	}
	app := r.Sandbox.Clients().App
	_, err = r.Client.PutIntegration(r.t.Context(), connections.IntegrationRequest{Connector: "shop", ClientID: app.ID, ClientSecret: app.Secret})
	require.NoError(r.t, err)
}

// session makes a connect session.
func (r *rig) session(mod ...func(*connections.ConnectSessionRequest)) (id, link string) {
	r.t.Helper()
	request := connections.ConnectSessionRequest{Connectors: []string{"sandbox"}, Owner: "Northwind Traders"}
	for _, m := range mod {
		m(&request)
	}
	made, err := r.Client.CreateConnectSession(r.t.Context(), request)
	require.NoError(r.t, err)
	return made.ID, made.URL
}

func (r *rig) sessionOf(id string) vault.Session {
	r.t.Helper()
	s, err := r.Vault.SessionByID(r.t.Context(), id)
	require.NoError(r.t, err)
	return s
}

func several(request *connections.ConnectSessionRequest) {
	request.Connectors = []string{"shop", "sandbox", "own", "robot"}
}

func forAda(request *connections.ConnectSessionRequest) { request.EndUser = "ada" }

func returning(request *connections.ConnectSessionRequest) { request.ReturnURL = returnURL }

func confirming(request *connections.ConnectSessionRequest) { request.ConfirmUser = true }

func managing(request *connections.ConnectSessionRequest) {
	request.Connectors, request.Manage = nil, true
}

var lastAssertion atomic.Int64

// assertionFor is what the platform signs for its end user.
func (r *rig) assertionFor(session, user string, mod ...func(*jwt.Claims)) string {
	r.t.Helper()
	claims := jwt.Claims{
		Subject: user, Audience: jwt.Audience{session}, Expiry: jwt.NewNumericDate(r.Clock.Now().Add(time.Minute)),
		ID: strconv.FormatInt(lastAssertion.Add(1), 10),
	}
	for _, m := range mod {
		m(&claims)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: []byte(assertionSecret)}, nil)
	require.NoError(r.t, err)
	text, err := jwt.Signed(signer).Claims(claims).Serialize()
	require.NoError(r.t, err)
	return text
}

// use presses the button of a session, and returns where it leads.
func (b *browser) use(link string, pairs ...string) page {
	b.r.t.Helper()
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return b.post(link, form, "Sec-Fetch-Site", "same-origin")
}

// consentTo presses the button of a session that leads to the provider.
func (b *browser) consentTo(link string, pairs ...string) (authorize string) {
	b.r.t.Helper()
	p := b.use(link, pairs...)
	require.Equal(b.r.t, http.StatusSeeOther, p.status, p.body)
	require.True(b.r.t, strings.HasPrefix(p.location, b.r.Sandbox.Endpoints().Authorization), p.location)
	b.r.secret("state", query(b.r.t, p.location).Get("state"))
	return p.location
}

// rows are all connections.
func (r *rig) rows() []vault.Connection {
	r.t.Helper()
	rows, err := r.Vault.ListConnections(r.t.Context(), vault.ConnectionFilter{})
	require.NoError(r.t, err)
	return rows
}
