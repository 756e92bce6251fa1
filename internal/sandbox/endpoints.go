package sandbox

import "strings"

// Paths below the issuer.
const (
	pathAuthorize  = "/authorize"
	pathToken      = "/token"
	pathRevoke     = "/revoke"
	pathIntrospect = "/introspect"
	pathUserinfo   = "/userinfo"
	pathMe         = "/api/me"
	pathContacts   = "/api/contacts"
	pathKeys       = "/keys"
	pathLogin      = "/login"
	pathConsent    = "/consent"
	pathStyle      = "/style.css"

	// Of the admin, with Options.Admin.
	pathFaults        = "/_faults"
	pathBehaviour     = "/_behaviour"
	pathPresentations = "/_presentations"
	pathStats         = "/_stats"

	wellKnownOpenID = "/.well-known/openid-configuration"
	wellKnownOAuth  = "/.well-known/oauth-authorization-server"
)

// Endpoints are the absolute URLs of a Provider.
type Endpoints struct {
	Issuer        string
	Authorization string
	Token         string
	Revocation    string
	Introspection string
	Userinfo      string
	Keys          string
	// Me is a small protected API that accepts access tokens of every grant.
	Me string
	// Contacts is a paged API that wants the scope contacts.read, and has its moods: see Behaviour.
	Contacts string
	// The admin's: they answer only with Options.Admin.
	Faults, Behaviour, Presentations, Stats string
}

func endpointsOf(issuer string) Endpoints {
	base := strings.TrimRight(issuer, "/")
	return Endpoints{
		Issuer:        issuer,
		Authorization: base + pathAuthorize,
		Token:         base + pathToken,
		Revocation:    base + pathRevoke,
		Introspection: base + pathIntrospect,
		Userinfo:      base + pathUserinfo,
		Keys:          base + pathKeys,
		Me:            base + pathMe,
		Contacts:      base + pathContacts,
		Faults:        base + pathFaults,
		Behaviour:     base + pathBehaviour,
		Presentations: base + pathPresentations,
		Stats:         base + pathStats,
	}
}
