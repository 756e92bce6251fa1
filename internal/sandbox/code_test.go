package sandbox_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/acme/connections/internal/sandbox"
	"github.com/acme/connections/internal/secret"
)

func TestCodeFlow(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	verifier := oauth2.GenerateVerifier()
	b := r.browser()
	page := b.consentPage(r.authorizeURL(verifier))
	for _, words := range []string{"Acme Connections", "Demo User", "See your email address", "Keep this access while you are away"} {
		require.Contains(t, page.body, words)
	}
	q := b.submit(page, map[string]string{"decision": "allow"}).back(t)
	require.Equal(t, "st&te=1", q.Get("state"))
	require.Equal(t, r.Endpoints().Issuer, q.Get("iss"))

	a := r.token(codeForm(q.Get("code"), verifier))
	got := a.tokens(t)
	require.Equal(t, "no-store", a.header.Get("Cache-Control"))
	require.NotEmpty(t, got.Refresh)
	require.Len(t, strings.Split(got.ID, "."), 3)
	require.Equal(t, "Bearer", got.Type)
	require.InDelta(t, 60, got.ExpiresIn, 0)
	require.Equal(t, allScopes, got.Scope)

	info := r.get(r.Endpoints().Userinfo, got.Access).json(t)
	require.Equal(t, "user-demo", info["sub"])
	require.Equal(t, "Demo User", info["name"])
	require.Equal(t, "demo@example.com", info["email"])
	require.Equal(t, map[string]any{"sub": "user-demo", "client_id": sandbox.AppClientID, "scope": allScopes},
		r.get(r.Endpoints().Me, got.Access).json(t))
}

func TestCodeFlow_WithoutOfflineAccessOrOpenID(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	verifier := oauth2.GenerateVerifier()
	code := r.consent(verifier, func(q url.Values) { q.Set("scope", "contacts.read made.up") })
	got := r.token(codeForm(code, verifier)).tokens(t)
	require.Empty(t, got.Refresh)
	require.Empty(t, got.ID)
	require.Equal(t, "contacts.read", got.Scope)
	require.Equal(t, "user-demo", r.get(r.Endpoints().Userinfo, got.Access).json(t)["sub"])
}

func TestCodeFlow_IssuerWithPath(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *sandbox.Options) { o.Issuer += "/sand/box" })
	got := r.connect()
	r.requireLive(got.Access)
	origin := strings.TrimSuffix(r.Endpoints().Issuer, "/sand/box")
	for _, address := range []string{
		r.Endpoints().Issuer + "/.well-known/openid-configuration",
		r.Endpoints().Issuer + "/.well-known/oauth-authorization-server",
		origin + "/.well-known/oauth-authorization-server/sand/box",
	} {
		require.Equal(t, r.Endpoints().Issuer, r.get(address, "").json(t)["issuer"], address)
	}
}

func TestAuthorize_RefusalsGoBackToTheApp(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	verifier := oauth2.GenerateVerifier()
	for name, c := range map[string]struct {
		spoil func(url.Values)
		code  string
	}{
		"no challenge":      {func(q url.Values) { q.Del("code_challenge"); q.Del("code_challenge_method") }, "invalid_request"},
		"plain":             {func(q url.Values) { q.Set("code_challenge_method", "plain") }, "invalid_request"},
		"no method":         {func(q url.Values) { q.Del("code_challenge_method") }, "invalid_request"},
		"short challenge":   {func(q url.Values) { q.Set("code_challenge", "abc") }, "invalid_request"},
		"unknown scopes":    {func(q url.Values) { q.Set("scope", "made.up") }, "invalid_scope"},
		"implicit":          {func(q url.Values) { q.Set("response_type", "id_token") }, "unsupported_response_type"},
		"form_post":         {func(q url.Values) { q.Set("response_mode", "form_post") }, "invalid_request"},
		"doubled parameter": {func(q url.Values) { q.Add("scope", "email") }, "invalid_request"},
		"prompt none":       {func(q url.Values) { q.Set("prompt", "none") }, "login_required"},
		"request object":    {func(q url.Values) { q.Set("request", "x") }, "request_not_supported"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := r.in(t).browser().open(r.authorizeURL(verifier, c.spoil)).back(t)
			require.Equal(t, c.code, q.Get("error"), q)
			require.Equal(t, "st&te=1", q.Get("state"))
			require.Equal(t, r.Endpoints().Issuer, q.Get("iss"))
			require.Empty(t, q.Get("code"))
		})
	}
}

func TestAuthorize_NeverRedirectsToAnUnknownPlace(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for name, spoil := range map[string]func(url.Values){
		"one character more": func(q url.Values) { q.Set("redirect_uri", redirectURI+"/") },
		"other host":         func(q url.Values) { q.Set("redirect_uri", "http://evil.example/callback") },
		"none":               func(q url.Values) { q.Del("redirect_uri") },
		"two":                func(q url.Values) { q.Add("redirect_uri", redirectURI) },
		"unknown client":     func(q url.Values) { q.Set("client_id", "nobody") },
		"machine client":     func(q url.Values) { q.Set("client_id", sandbox.MachineClientID) },
		"no client":          func(q url.Values) { q.Del("client_id") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			page := r.in(t).browser().open(r.authorizeURL(oauth2.GenerateVerifier(), spoil))
			require.Equal(t, http.StatusBadRequest, page.status)
			require.Empty(t, page.header.Get("Location"))
			require.Contains(t, page.body, "This did not work")
		})
	}
}

func TestDeny(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	b := r.browser()
	page := b.consentPage(r.authorizeURL(oauth2.GenerateVerifier()))
	q := b.submit(page, map[string]string{"decision": "deny"}).back(t)
	require.Equal(t, "access_denied", q.Get("error"))
	require.Equal(t, "st&te=1", q.Get("state"))
	require.Equal(t, r.Endpoints().Issuer, q.Get("iss"))
	require.Equal(t, http.StatusGone, b.submit(page, map[string]string{"decision": "allow"}).status)
}

func TestConsent_IsAnsweredOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	b := r.browser()
	page := b.consentPage(r.authorizeURL(oauth2.GenerateVerifier()))
	b.submit(page, map[string]string{"decision": "allow"}).back(t)
	for _, decision := range []string{"allow", "deny"} {
		require.Equal(t, http.StatusGone, b.submit(page, map[string]string{"decision": decision}).status)
	}
}

func TestPages_BelongToOneBrowser(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	victim := r.browser()
	login := victim.open(r.authorizeURL(oauth2.GenerateVerifier()))
	stranger := r.browser()
	require.Equal(t, http.StatusForbidden, stranger.open(login.url.String()).status)
	require.Equal(t, http.StatusForbidden, stranger.submit(login, map[string]string{"username": "ada", "password": "ada"}).status)
	stranger.open(r.authorizeURL(oauth2.GenerateVerifier())) // a session of its own does not help
	require.Equal(t, http.StatusForbidden, stranger.submit(login, map[string]string{"username": "ada", "password": "ada"}).status)

	consent := victim.submit(login, map[string]string{"username": "demo", "password": "demo"})
	require.Equal(t, http.StatusForbidden, stranger.submit(consent, map[string]string{"decision": "allow"}).status)
	victim.submit(consent, map[string]string{"decision": "allow"}).back(t)
}

func TestPages_RefuseFormsOfOtherOrigins(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, path := range []string{"/login", "/consent"} {
		req := r.postRequest(r.Endpoints().Issuer+path, sandbox.Client{}, false, nil)
		req.Header.Set("Origin", "http://evil.example")
		require.Equal(t, http.StatusForbidden, r.send(req).status)
	}
}

func TestConsent_NeedsALogin(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	b := r.browser()
	login := b.open(r.authorizeURL(oauth2.GenerateVerifier()))
	_, hidden := formOf(t, login)
	page := b.open(r.Endpoints().Issuer + "/consent?id=" + url.QueryEscape(hidden.Get("id")))
	require.Equal(t, login.url.Path, page.url.Path, "sent back to the login page")

	login.body = strings.ReplaceAll(login.body, `action="/login"`, `action="/consent"`)
	require.Equal(t, http.StatusForbidden, b.submit(login, map[string]string{"decision": "allow"}).status)
}

func TestLogin_WrongPasswordThenAnotherAccount(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	b := r.browser()
	verifier := oauth2.GenerateVerifier()
	page := b.open(r.authorizeURL(verifier))
	page = b.submit(page, map[string]string{"username": "demo", "password": "ada"})
	require.Equal(t, http.StatusUnprocessableEntity, page.status)
	require.Contains(t, page.body, "Wrong username or password")
	page = b.submit(page, map[string]string{"username": "ada", "password": "ada"})
	require.Contains(t, page.body, "Ada Lovelace")
	q := b.submit(page, map[string]string{"decision": "allow"}).back(t)
	got := r.token(codeForm(q.Get("code"), verifier)).tokens(t)
	require.Equal(t, "user-ada", r.get(r.Endpoints().Userinfo, got.Access).json(t)["sub"])
}

func TestPages_EscapeAndProtect(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	const evil = `"><script>alert(1)</script>`
	require.NoError(t, r.AddClient(t.Context(), sandbox.Client{
		ID: "evil", Secret: secret.New("x"), Name: evil, RedirectURIs: []string{redirectURI}, Scopes: []string{"openid", evil},
	}))
	b := r.browser()
	page := b.open(r.authorizeURL(oauth2.GenerateVerifier(), func(q url.Values) {
		q.Set("client_id", "evil")
		q.Set("state", evil)
		q.Set("scope", "openid "+evil)
	}))
	pages := []*answer{page, b.submit(page, map[string]string{"username": evil, "password": "x"})}
	pages = append(pages, b.submit(page, map[string]string{"username": "demo", "password": "demo"}))
	pages = append(pages, b.open(r.authorizeURL("v", func(q url.Values) { q.Set("redirect_uri", evil) })))
	for _, page := range pages {
		require.NotContains(t, page.body, "<script")
		require.Equal(t, "no-store", page.header.Get("Cache-Control"))
		csp := page.header.Get("Content-Security-Policy")
		require.Contains(t, csp, "default-src 'none'")
		require.Contains(t, csp, "frame-ancestors 'none'")
		require.Equal(t, "nosniff", page.header.Get("X-Content-Type-Options"))
	}
	require.Contains(t, pages[1].body, "&#34;&gt;&lt;script&gt;", "the username is shown, escaped")
	require.Contains(t, pages[2].header.Get("Content-Security-Policy"), "form-action 'self' http://127.0.0.1:9")
	q := b.submit(pages[2], map[string]string{"decision": "allow"})
	require.NotContains(t, q.header.Get("Location"), "<")
	require.Equal(t, evil, q.back(t).Get("state"))
}

func TestCode_PKCE(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	verifier := oauth2.GenerateVerifier()
	code := r.consent(verifier)
	r.token(codeForm(code, oauth2.GenerateVerifier())).requireError(t, http.StatusBadRequest, "invalid_grant")
	missing := codeForm(code, "")
	missing.Del("code_verifier")
	r.token(missing).requireError(t, http.StatusBadRequest, "invalid_request")
	r.token(codeForm(code, oauth2.S256ChallengeFromVerifier(verifier))).requireError(t, http.StatusBadRequest, "invalid_grant")
	r.token(codeForm(code, verifier)).tokens(t)
}

func TestCode_WorksOnceAndReuseRevokes(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	verifier := oauth2.GenerateVerifier()
	code := r.consent(verifier)
	got := r.token(codeForm(code, verifier)).tokens(t)
	r.requireLive(got.Access)
	r.token(codeForm(code, verifier)).requireError(t, http.StatusBadRequest, "invalid_grant")
	r.requireDead(got.Access)
	r.refresh(got.Refresh).requireError(t, http.StatusBadRequest, "invalid_grant")
}

func TestCode_BelongsToClientAndRedirectURI(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	other := sandbox.Client{ID: "other", Secret: secret.New("other-secret"), RedirectURIs: []string{redirectURI}, Scopes: []string{"openid"}}
	require.NoError(t, r.AddClient(t.Context(), other))
	verifier := oauth2.GenerateVerifier()
	code := r.consent(verifier)
	r.post(r.Endpoints().Token, other, true, codeForm(code, verifier)).requireError(t, http.StatusBadRequest, "invalid_grant")
	changed := codeForm(code, verifier)
	changed.Set("redirect_uri", redirectURI+"x")
	r.token(changed).requireError(t, http.StatusBadRequest, "invalid_grant")
	r.token(codeForm("made-up", verifier)).requireError(t, http.StatusBadRequest, "invalid_grant")
	r.token(codeForm(code, verifier)).tokens(t)
}

func TestCode_AndRequestExpire(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	verifier := oauth2.GenerateVerifier()
	code := r.consent(verifier)
	r.clock.Advance(time.Minute)
	r.token(codeForm(code, verifier)).requireError(t, http.StatusBadRequest, "invalid_grant")

	b := r.browser()
	page := b.consentPage(r.authorizeURL(verifier))
	r.clock.Advance(10 * time.Minute)
	require.Equal(t, http.StatusGone, b.submit(page, map[string]string{"decision": "allow"}).status)
}

func TestIDToken_CarriesNonceAndClaims(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	verifier := oauth2.GenerateVerifier()
	code := r.consent(verifier, func(q url.Values) { q.Set("nonce", "n-1") })
	got := r.token(codeForm(code, verifier)).tokens(t)
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(got.ID, ".")[1])
	require.NoError(t, err)
	claims := (&answer{body: string(payload)}).json(t)
	require.Equal(t, "n-1", claims["nonce"])
	require.Equal(t, r.Endpoints().Issuer, claims["iss"])
	require.Equal(t, "user-demo", claims["sub"])
	keys := r.get(r.Endpoints().Keys, "")
	require.Contains(t, keys.body, `"ES256"`)
	require.NotContains(t, keys.body, `"d":`, "the private part stays home")
}

func TestDiscovery(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	e := r.Endpoints()
	for _, path := range []string{"/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"} {
		doc := r.get(e.Issuer+path, "").json(t)
		require.Equal(t, e.Issuer, doc["issuer"])
		require.Equal(t, e.Token, doc["token_endpoint"])
		require.Equal(t, e.Authorization, doc["authorization_endpoint"])
		require.Equal(t, e.Revocation, doc["revocation_endpoint"])
		require.Equal(t, true, doc["authorization_response_iss_parameter_supported"])
		require.Equal(t, []any{"S256"}, doc["code_challenge_methods_supported"])
	}
	for _, path := range []string{"/device_authorization", "/end_session", "/authorize/callback", "/_faults", "/"} {
		require.Equal(t, http.StatusNotFound, r.get(e.Issuer+path, "").status, path)
	}
}
