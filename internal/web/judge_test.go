package web

import (
	"log/slog"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/keyring"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// routing is a connector that has everything of a callback but a signature.
func routing() connector.Connector {
	return connector.Connector{
		Inputs: []connector.Input{{Name: "region", Pattern: "^(com|eu)$"}, {Name: "shop", Pattern: "^[a-z-]+$"}},
		Callback: &connector.Callback{CodeParam: "auth_code", StateParam: "back", ScopeParam: "granted", Capture: []connector.CallbackValue{
			{Param: "accounts-server", Pattern: `^https://accounts\.shops\.(.+)$`, Input: "region"},
			{Param: "shop", Pattern: `^([a-z-]+)\.shops\.test$`, Input: "shop", Match: true},
			{Param: "realm", Pattern: "^[0-9]+$"},
			{Param: "centre", Pattern: "^(.*)$", Input: "region", As: "centre"},
		}},
	}
}

func routed() asked {
	return asked{
		connector:  routing(),
		request:    vault.AuthRequest{ID: "req", Issuer: "https://as.test"},
		connection: vault.Connection{Inputs: map[string]string{"shop": "my-store", "region": "com"}},
	}
}

// judging are pages that can judge, and do nothing else.
func judging(t testing.TB) *Server {
	t.Helper()
	ring, err := keyring.LoadOrCreate(keyring.Vault, filepath.Join(t.TempDir(), "vault.json"))
	require.NoError(t, err)
	return &Server{Config: Config{Keys: keyring.Keys{Vault: ring}, Now: time.Now, Log: slog.New(slog.DiscardHandler)}}
}

func TestTold(t *testing.T) {
	t.Parallel()
	longest := strings.Repeat("7", 2<<10)
	for name, c := range map[string]struct {
		query    url.Values
		want     workflows.Reason
		captured map[string]string
		inputs   map[string]string
		scopes   []string
	}{
		"nothing":               {query: url.Values{}},
		"all":                   {url.Values{"accounts-server": {"https://accounts.shops.eu"}, "shop": {"my-store.shops.test"}, "realm": {"12"}, "granted": {"a, b,c"}}, "", map[string]string{"realm": "12"}, map[string]string{"region": "eu", "shop": "my-store"}, []string{"a", "b", "c"}},
		"kept and routed":       {url.Values{"centre": {"eu"}}, "", map[string]string{"centre": "eu"}, map[string]string{"region": "eu"}, nil},
		"in the input's case":   {url.Values{"centre": {"EU"}}, "", map[string]string{"centre": "eu"}, map[string]string{"region": "eu"}, nil},
		"odd":                   {query: url.Values{"realm": {"twelve"}}},
		"as long as may be":     {url.Values{"realm": {longest}}, "", map[string]string{"realm": longest}, nil, nil},
		"too long":              {query: url.Values{"realm": {longest + "7"}}},
		"not of the input":      {query: url.Values{"centre": {"cn"}}, want: workflows.ReasonIssuerMismatch},
		"a group of anything":   {query: url.Values{"accounts-server": {"https://accounts.shops.com.evil.test"}}, want: workflows.ReasonIssuerMismatch},
		"no scopes":             {query: url.Values{"granted": {""}}},
		"scopes of commas only": {query: url.Values{"granted": {" ,"}}, scopes: []string{}},
		"of another customer":   {query: url.Values{"shop": {"other.shops.test"}}, want: workflows.ReasonIssuerMismatch},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := routed()
			raw := c.query.Encode()
			a, _ := parseAnswer(raw, namesOf(q.connector))
			var got vault.Consumption
			require.Equal(t, c.want, told(q, a, raw, &got))
			if c.want != workflows.ReasonNone {
				return
			}
			require.Equal(t, vault.Consumption{Captured: c.captured, Inputs: c.inputs, GrantedScopes: c.scopes}, got)
		})
	}
}

// FuzzJudge: whatever a query says, a code is kept only with inputs that fit, and only if the server is the one asked.
func FuzzJudge(f *testing.F) {
	for _, seed := range []string{
		"", "back=s&auth_code=c", "back=s&auth_code=c&iss=https://as.test", "back=s&auth_code=c&iss=https://as.test/", "back=s&error=access_denied",
		"back=s&auth_code=c&accounts-server=https://accounts.shops.eu", "back=s&auth_code=c&accounts-server=https://accounts.shops.evil.com",
		"back=s&auth_code=c&shop=my-store.shops.test", "back=s&auth_code=c&shop=other.shops.test&realm=7", "back=s&auth_code=c&granted=a,b%20c",
		"back=s&auth_code=c&accounts-server=https%3A%2F%2Faccounts.shops.eu%0A", "back=s&auth_code=c&realm=%00&shop=", "back=s&auth_code=c&centre=..",
		"back=s&auth_code=c&centre=EU", "back=s&auth_code=c&centre=com&accounts-server=https://accounts.shops.eu",
	} {
		f.Add(seed)
	}
	s, q := judging(f), routed()
	f.Fuzz(func(t *testing.T, raw string) {
		a, wellFormed := parseAnswer(raw, namesOf(q.connector))
		kept, signal := s.judge(q, a, wellFormed, raw)
		if kept.RequestID != "req" || signal.RequestID != "req" || (kept.Code == nil) == (kept.Outcome == "") ||
			string(signal.Reason) != kept.Outcome || (signal.SealedCode == nil) != (kept.Code == nil) {
			t.Fatalf("neither a code nor a reason, or both: %+v, %+v", kept, signal)
		}
		if kept.Code == nil {
			if kept.Inputs != nil || kept.Captured != nil || kept.GrantedScopes != nil {
				t.Fatalf("a refused answer left something behind: %+v", kept)
			}
			return
		}
		if !wellFormed || (a.hasIssuer && a.issuer != "https://as.test") {
			t.Fatalf("taken: %+v", a)
		}
		for name, value := range kept.Inputs {
			if (name == "region" && value != "com" && value != "eu") || (name == "shop" && value != "my-store") || (name != "region" && name != "shop") {
				t.Fatalf("%q became %q", name, value)
			}
		}
		for name, value := range kept.Captured {
			if (name == "realm" && strings.Trim(value, "0123456789") != "") || (name != "realm" && name != "centre") || len(value) > 2<<10 {
				t.Fatalf("%q became %q", name, value)
			}
		}
		code, err := s.Keys.Vault.OpenString(keyring.Code("req"), kept.Code)
		if err != nil || code.Reveal() != a.code {
			t.Fatal("another code was sealed")
		}
	})
}
