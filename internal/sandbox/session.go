package sandbox

import "net/http"

// sessions ties an authorization request to the browser that made it, by a random cookie whose hash the request keeps.
// A form posted from elsewhere, or a login link opened in another browser, fails that comparison.
type sessions struct {
	cookie string
	path   string
	secure bool
}

// newSessions names the cookie after the issuer: browsers share cookies over all ports of a host.
func newSessions(issuer, path string, secure bool) sessions {
	return sessions{cookie: "sandbox_session_" + hashOf(issuer)[:8], path: path + "/", secure: secure}
}

// hash returns the hash of the browser's session, or "".
func (s sessions) hash(r *http.Request) string {
	c, err := r.Cookie(s.cookie)
	if err != nil || c.Value == "" {
		return ""
	}
	return hashOf(c.Value)
}

// ensure returns the hash of the browser's session, starting one if need be.
func (s sessions) ensure(w http.ResponseWriter, r *http.Request) string {
	if h := s.hash(r); h != "" {
		return h
	}
	value := randomText()
	http.SetCookie(w, &http.Cookie{
		Name: s.cookie, Value: value, Path: s.path,
		HttpOnly: true, Secure: s.secure, SameSite: http.SameSiteLaxMode,
	})
	return hashOf(value)
}
