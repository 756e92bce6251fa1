package keyring

// The fields that are sealed, and where each belongs.

// AccessToken is the access token of one generation; keyset Access.
func AccessToken(connectionID string, generation int64) Field {
	return Field{Kind: "connection", ID: connectionID, Name: "access_token", Generation: generation}
}

// RefreshToken is the refresh token of one generation; keyset Vault.
func RefreshToken(connectionID string, generation int64) Field {
	return Field{Kind: "connection", ID: connectionID, Name: "refresh_token", Generation: generation}
}

// Reply is a provider's raw reply to one attempt; keyset Vault.
func Reply(attemptID string) Field { return Field{Kind: "attempt", ID: attemptID, Name: "reply"} }

// ClientSecret is a secret of an integration; keyset Vault.
func ClientSecret(integrationID string) Field {
	return Field{Kind: "integration", ID: integrationID, Name: "client_secret"}
}

// Verifier is the PKCE verifier of an authorization request; keyset Vault.
func Verifier(requestID string) Field {
	return Field{Kind: "auth_request", ID: requestID, Name: "verifier"}
}

// Code is the authorization code that answered a request; keyset Vault.
func Code(requestID string) Field {
	return Field{Kind: "auth_request", ID: requestID, Name: "code"}
}

// WebhookSecret is a secret with which an endpoint's webhooks are signed; keyset Vault.
func WebhookSecret(endpointID string) Field {
	return Field{Kind: "webhook_endpoint", ID: endpointID, Name: "secret"}
}

// Answer is what a request to the API was answered, under its API key and the hash of its idempotency key; keyset Vault.
func Answer(keyID, hash string) Field {
	return Field{Kind: "api_request", ID: keyID + ":" + hash, Name: "response"}
}
