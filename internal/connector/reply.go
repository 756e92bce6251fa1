package connector

// Reply is where a token reply has what RFC 6749 §5 puts elsewhere (K9 … K12). Paths lead by member names and list
// indices: "authed_user.access_token". An empty path is the standard one.
type Reply struct {
	AccessToken  string `json:"access_token,omitempty"`
	RefreshToken string `json:"refresh_token,omitempty"`
	TokenType    string `json:"token_type,omitempty"`
	Scope        string `json:"scope,omitempty"`
	// ScopeSeparator is what stands between granted scopes, if not what stands between those asked for: GitHub (K10).
	ScopeSeparator string `json:"scope_separator,omitempty"`
	// ExpiresIn is a life, in ExpiresUnit: "s" if empty, "ms", "min".
	ExpiresIn   string `json:"expires_in,omitempty"`
	ExpiresUnit string `json:"expires_unit,omitempty"`
	// ExpiresAt is a point in time: seconds or milliseconds since 1970, or RFC 3339.
	ExpiresAt string `json:"expires_at,omitempty"`
	// ExpiresJWT says that the access token is a JWT whose "exp" counts, where the reply names no expiry.
	ExpiresJWT bool `json:"expires_jwt,omitempty"`
	// RefreshExpiresIn is the refresh token's life in seconds. It is kept as metadata "refresh_expires_at" (K16).
	RefreshExpiresIn string `json:"refresh_expires_in,omitempty"`
	// RefreshExpiresAt is the point in time at which it dies, written as ExpiresAt is (K16).
	RefreshExpiresAt string `json:"refresh_expires_at,omitempty"`
	// Second is a second credential beside the first (K9).
	Second *Second `json:"second,omitempty"`
	// Success is a member that tells success from failure, whatever the status (K9).
	Success *Success `json:"success,omitempty"`
	// ErrorPaths are where the error code may be, beside "error" (K12).
	ErrorPaths []string `json:"error_paths,omitempty"`
	// Errors say what the provider's own errors mean; the first that fits counts (K12).
	Errors []ErrorRule `json:"errors,omitempty"`
}

// MetadataRefreshExpiresAt is the metadata that says when the refresh token in hand dies, in RFC 3339.
const MetadataRefreshExpiresAt = "refresh_expires_at"

// Second is where a reply has a second credential, as Slack's user token beside the bot's. It is read, and kept apart
// from the first; nothing stores it yet: a connection has one credential, and the other needs a connection of its own.
type Second struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token,omitempty"`
	TokenType    string `json:"token_type,omitempty"`
	Scope        string `json:"scope,omitempty"`
	// ExpiresIn is a life, in ExpiresUnit.
	ExpiresIn string `json:"expires_in,omitempty"`
}

// Success is a member and the value, in text, that it has in every success. A reply without it is judged as usual.
type Success struct {
	Path   string `json:"path"`
	Equals string `json:"equals"`
}

// ErrorRule gives an error of the provider's a meaning. All conditions that are given must hold.
type ErrorRule struct {
	// Status is the HTTP status.
	Status int `json:"status,omitempty"`
	// Phase is "exchange", "refresh", "client_credentials" or "revoke".
	Phase string `json:"phase,omitempty"`
	// Path is the member to look at; the error code, if empty.
	Path string `json:"path,omitempty"`
	// Equals and Contains look at the member's text, without regard to case.
	Equals   string `json:"equals,omitempty"`
	Contains string `json:"contains,omitempty"`
	// Means is one of Meanings.
	Means string `json:"means"`
}

// Meanings are what an error can be said to mean. They are the kinds of failure of package oauth that a reply can have.
func Meanings() []string {
	return []string{
		"invalid_grant", "invalid_client", "app_refused", "invalid_scope", "interaction_required", "access_denied",
		"throttled", "server_error", "unknown_error",
	}
}
