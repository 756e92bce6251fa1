package sandbox

import (
	"context"
	"net/http"
)

// routes mounts the endpoints below the issuer's path.
// The engine's other routes (device flow, end of session, its own login callback) stay closed.
func (p *Provider) routes() http.Handler {
	engine := http.StripPrefix(p.path, p.op)
	sameOrigin := http.NewCrossOriginProtection()

	mux := http.NewServeMux()
	at := func(method, path string, h http.Handler) {
		if method != "" {
			method += " "
		}
		mux.Handle(method+p.path+path, h)
	}
	at("", pathAuthorize, p.authorize(engine))
	at("", pathToken, p.token(engine))
	at("", pathRevoke, p.authenticated(p.countRevocation(engine)))
	at("", pathIntrospect, p.authenticated(engine))
	at("GET", pathKeys, engine)
	at("", pathUserinfo, http.HandlerFunc(p.userinfo))
	at("GET", pathMe, http.HandlerFunc(p.me))
	at("GET", pathContacts, http.HandlerFunc(p.contacts))
	at("GET", pathStyle, http.HandlerFunc(p.pages.style))
	at("GET", pathLogin, http.HandlerFunc(p.showLogin))
	at("POST", pathLogin, sameOrigin.Handler(http.HandlerFunc(p.submitLogin)))
	at("GET", pathConsent, http.HandlerFunc(p.showConsent))
	at("POST", pathConsent, sameOrigin.Handler(http.HandlerFunc(p.submitConsent)))
	if p.opts.Admin {
		at("POST", pathFaults, sameOrigin.Handler(http.HandlerFunc(p.setFaults)))
		at("POST", pathBehaviour, sameOrigin.Handler(http.HandlerFunc(p.setBehaviour)))
		at("GET", pathFaults, http.HandlerFunc(p.showFaults))
		at("GET", pathBehaviour, http.HandlerFunc(p.showBehaviour))
		at("GET", pathPresentations, http.HandlerFunc(p.showPresentations))
		at("GET", pathStats, http.HandlerFunc(p.showStats))
	}
	discovery := http.HandlerFunc(p.discovery)
	at("GET", wellKnownOpenID, discovery)
	at("GET", wellKnownOAuth, discovery)
	if p.path != "" {
		// RFC 8414 §3.1 puts the well-known part between host and path.
		mux.Handle("GET "+wellKnownOAuth+p.path, discovery)
		mux.Handle("GET "+wellKnownOpenID+p.path, discovery)
	}
	return p.hardened(mux)
}

// hardened bounds every request and lets a request that was received run to its end:
// a server does not undo its work because the caller hung up. Its clock shows in every answer.
func (p *Provider) hardened(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Date", p.store.skewed(p.store.now()).UTC().Format(http.TimeFormat))
		next.ServeHTTP(w, r.WithContext(context.WithoutCancel(r.Context())))
	})
}
