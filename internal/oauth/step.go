package oauth

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"net/http"

	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/secret"
)

// Ask takes one step after a consent: it calls the provider's API with the access token, and returns what the step says
// to keep. Of an answer that lists several accounts it keeps the one that is known, the connection's metadata so far, if
// that is among them. The error is a [*Failure].
func (c *Client) Ask(ctx context.Context, conn connector.Connector, step connector.Step, accessToken secret.String, known map[string]string) (map[string]string, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	headers := make(map[string]string)
	if conn.API != nil {
		maps.Copy(headers, conn.API.Headers)
	}
	maps.Copy(headers, step.Headers)
	t := c.transport(conn, connector.TokenCall{URL: step.URL, Method: orElse(step.Method, http.MethodGet), Headers: headers}, App{}, Identify, Hooks{})
	t.authenticate, t.bearer = false, accessToken
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, step.URL, http.NoBody)
	if err != nil {
		return nil, &Failure{Kind: EndpointWrong, Phase: Identify}
	}
	response, err := t.client().Do(request)
	if err == nil {
		err = response.Body.Close()
	}
	if failure := t.failure(err); failure != nil {
		return nil, failure
	}
	if t.raw.Status < 200 || t.raw.Status > 299 {
		return nil, classify(conn, Identify, *t.raw, members(conn, *t.raw))
	}
	var body any
	decoder := json.NewDecoder(bytes.NewReader(t.raw.Body))
	decoder.UseNumber()
	if err := decoder.Decode(&body); err != nil {
		return nil, &Failure{Kind: Unreadable, Phase: Identify, Sent: true, Status: t.raw.Status}
	}
	return captured(body, among(body, conn, step.Metadata, known)), nil
}
