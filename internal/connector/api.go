package connector

// Authorization is the header that carries an access token to the provider's API, and its value (K21).
func (c Connector) Authorization(token string) (header, value string) {
	header, scheme := "Authorization", "Bearer"
	if c.API != nil && c.API.Header != "" {
		header = c.API.Header
	}
	if c.API != nil && c.API.Scheme != "" {
		scheme = c.API.Scheme
	}
	if scheme == "-" {
		return header, token
	}
	return header, scheme + " " + token
}

// BaseURL is where the API is for one account; empty if the connector does not say, or the metadata is not there. The
// metadata was checked against the connector's hosts when it was captured.
func (c Connector) BaseURL(metadata map[string]string) string {
	if c.API == nil {
		return ""
	}
	base, complete := fillMetadata(c.API.BaseURL, metadata)
	if !complete {
		return ""
	}
	return base
}
