package sandbox

import (
	"encoding/json"
	"net/http"
)

// metadata is the discovery document, for OpenID Connect Discovery and RFC 8414 alike.
// It is written by hand because the engine's own lists grants and methods that are not mounted, and has no iss member.
type metadata struct {
	Issuer                string   `json:"issuer"`
	Authorization         string   `json:"authorization_endpoint"`
	Token                 string   `json:"token_endpoint"`
	Revocation            string   `json:"revocation_endpoint"`
	Introspection         string   `json:"introspection_endpoint"`
	Userinfo              string   `json:"userinfo_endpoint"`
	Keys                  string   `json:"jwks_uri"`
	Scopes                []string `json:"scopes_supported"`
	Claims                []string `json:"claims_supported"`
	ResponseTypes         []string `json:"response_types_supported"`
	ResponseModes         []string `json:"response_modes_supported"`
	GrantTypes            []string `json:"grant_types_supported"`
	SubjectTypes          []string `json:"subject_types_supported"`
	IDTokenAlgorithms     []string `json:"id_token_signing_alg_values_supported"`
	TokenAuth             []string `json:"token_endpoint_auth_methods_supported"`
	RevocationAuth        []string `json:"revocation_endpoint_auth_methods_supported"`
	IntrospectionAuth     []string `json:"introspection_endpoint_auth_methods_supported"`
	CodeChallengeMethods  []string `json:"code_challenge_methods_supported"`
	RequestParameter      bool     `json:"request_parameter_supported"`
	RequestURIParameter   bool     `json:"request_uri_parameter_supported"`
	IssParameterSupported bool     `json:"authorization_response_iss_parameter_supported"`
}

func (p *Provider) discovery(w http.ResponseWriter, _ *http.Request) {
	auth := []string{"client_secret_basic", "client_secret_post"}
	writeJSON(w, http.StatusOK, metadata{
		Issuer:                p.endpoints.Issuer,
		Authorization:         p.endpoints.Authorization,
		Token:                 p.endpoints.Token,
		Revocation:            p.endpoints.Revocation,
		Introspection:         p.endpoints.Introspection,
		Userinfo:              p.endpoints.Userinfo,
		Keys:                  p.endpoints.Keys,
		Scopes:                defaultAppScopes(),
		Claims:                []string{"sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "name", "preferred_username", "email", "email_verified"},
		ResponseTypes:         []string{"code"},
		ResponseModes:         []string{"query"},
		GrantTypes:            []string{grantCode, grantRefresh, grantClientCredentials},
		SubjectTypes:          []string{"public"},
		IDTokenAlgorithms:     []string{string(signingAlgorithm)},
		TokenAuth:             auth,
		RevocationAuth:        auth,
		IntrospectionAuth:     auth,
		CodeChallengeMethods:  []string{"S256"},
		IssParameterSupported: true,
	})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the status is out: a failure here is the caller's connection
}
