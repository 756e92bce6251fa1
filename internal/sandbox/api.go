package sandbox

import (
	"errors"
	"net/http"
	"strings"

	"github.com/zitadel/oidc/v3/pkg/oidc"
)

// me is a protected API that takes access tokens of every grant.
func (p *Provider) me(w http.ResponseWriter, r *http.Request) {
	token, ok := p.bearer(w, r)
	if !ok {
		return
	}
	writeJSON(w, http.StatusOK, map[string]string{
		"sub": token.subject(), "client_id": token.clientID, "scope": strings.Join(token.scopes, " "),
	})
}

// userinfo is the OpenID Connect endpoint: it needs a token that a person has granted, with openid or without.
// The engine's own answers 403 where RFC 6750 wants 401, so this one replaces it.
func (p *Provider) userinfo(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		w.Header().Set("Allow", "GET, POST")
		writeJSON(w, http.StatusMethodNotAllowed, map[string]string{"error": "invalid_request"})
		return
	}
	token, ok := p.bearer(w, r)
	if !ok {
		return
	}
	if token.userID == "" {
		bearerError(w, http.StatusForbidden, "insufficient_scope")
		return
	}
	info := new(oidc.UserInfo)
	if err := p.storage.setUserinfo(r.Context(), info, token.userID, token.scopes); err != nil {
		out := newReply()
		p.internalError(out, err)
		out.send(w)
		return
	}
	writeJSON(w, http.StatusOK, info)
}

// bearer returns the live access token of the request, or answers 401 (RFC 6750 §3).
func (p *Provider) bearer(w http.ResponseWriter, r *http.Request) (*accessToken, bool) {
	noStore(w.Header())
	scheme, text, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		bearerError(w, http.StatusUnauthorized, "")
		return nil, false
	}
	plain, err := p.op.Crypto().Decrypt(strings.TrimSpace(text))
	if err != nil {
		bearerError(w, http.StatusUnauthorized, "invalid_token")
		return nil, false
	}
	id, _, _ := strings.Cut(plain, ":")
	token, err := p.store.liveToken(r.Context(), id)
	if errors.Is(err, errUnknownToken) {
		bearerError(w, http.StatusUnauthorized, "invalid_token")
		return nil, false
	}
	if err != nil {
		out := newReply()
		p.internalError(out, err)
		out.send(w)
		return nil, false
	}
	token.id = id
	return token, true
}

// bearerError names no error code where no token was sent (RFC 6750 §3.1).
func bearerError(w http.ResponseWriter, status int, code string) {
	challenge := `Bearer realm="sandbox"`
	if code == "" {
		w.Header().Set("WWW-Authenticate", challenge)
		w.WriteHeader(status)
		return
	}
	w.Header().Set("WWW-Authenticate", challenge+`, error="`+code+`"`)
	writeJSON(w, status, map[string]string{"error": code})
}

// countRevocation counts what the engine's revocation endpoint accepted.
func (p *Provider) countRevocation(engine http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		out := newReply()
		engine.ServeHTTP(out, r)
		if out.status == http.StatusOK {
			p.stats.revocation()
		}
		out.send(w)
	})
}
