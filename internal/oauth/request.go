package oauth

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/acme/connections/internal/connector"
)

// prepare turns x/oauth2's standard request into the one that the provider wants: its parameters and their names, its
// way to authenticate, its encoding.
func (t *transport) prepare(request *http.Request) (*http.Request, error) {
	form, err := readForm(request)
	if err != nil {
		return nil, err
	}
	request = request.Clone(request.Context())
	request.Header.Del("Authorization")
	form.Del("client_id")
	form.Del("client_secret")
	for name, value := range t.extra {
		form.Set(name, value)
	}
	if t.authenticate {
		if err := authenticate(request, form, t.connector, t.call, t.app, t.now()); err != nil {
			return nil, err
		}
	}
	// After the credentials, which one of them may replace, or leave out by being empty: Instagram's renewal has none.
	for name, value := range t.call.Params {
		form.Set(name, t.app.fill(value))
	}
	if !t.bearer.Empty() {
		name, value := t.connector.Authorization(t.bearer.Reveal())
		request.Header.Set(name, value)
	}
	return request, t.encode(request, form)
}

// encode writes the form into the request, under the provider's names. Parameters without a value are left out.
func (t *transport) encode(request *http.Request, form url.Values) error {
	values := make(url.Values, len(form))
	for name, list := range form {
		if slices.Contains(t.call.Drop, name) || len(list) == 0 || list[0] == "" {
			continue
		}
		if other, ok := t.call.Rename[name]; ok {
			name = other
		}
		values[name] = list
	}
	request.Header.Set("Accept", jsonContent)
	request.Header.Set("User-Agent", "acme-connections")
	for name, value := range t.call.Headers {
		request.Header.Set(name, t.app.fill(value))
	}
	// Without this header every encoding would be welcome (RFC 9110 §12.5.3).
	request.Header.Set("Accept-Encoding", "identity")
	request.GetBody = nil
	request.Method = http.MethodPost
	if t.call.Method != "" {
		request.Method = t.call.Method
	}
	var body []byte
	switch {
	case request.Method == http.MethodGet:
		query := request.URL.Query()
		maps.Copy(query, values)
		// The URL is shared with the request that was cloned.
		target := *request.URL
		target.RawQuery = query.Encode()
		request.URL = &target
		request.Header.Del("Content-Type")
		request.Body, request.ContentLength = http.NoBody, 0
		return nil
	case t.call.Body == connector.BodyJSON:
		members := make(map[string]string, len(values))
		for name := range values {
			members[name] = values.Get(name)
		}
		var err error
		if body, err = json.Marshal(members); err != nil {
			return err
		}
		request.Header.Set("Content-Type", jsonContent)
	default:
		body = []byte(values.Encode())
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	request.Body, request.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return nil
}

// readForm reads the request's own form. It is in memory; cut short it would present half a refresh token.
func readForm(request *http.Request) (url.Values, error) {
	if request.Body == nil {
		return url.Values{}, nil
	}
	content, err := io.ReadAll(request.Body)
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(content))
	if err != nil {
		return nil, errors.New("oauth: request form")
	}
	return form, nil
}

// authenticate adds the client's credentials in the one way that the connector names.
func authenticate(request *http.Request, form url.Values, conn connector.Connector, call connector.TokenCall, app App, now time.Time) error {
	secret := app.Secret.Reveal()
	switch call.Auth {
	case connector.AuthBasic:
		// RFC 6749 §2.3.1: form-encoded, then Basic.
		request.SetBasicAuth(url.QueryEscape(app.ClientID), url.QueryEscape(secret))
	case connector.AuthBasicRaw:
		request.SetBasicAuth(app.ClientID, secret)
	case connector.AuthTemplate:
		request.SetBasicAuth(app.fill(call.Basic.User), app.fill(call.Basic.Password))
	case connector.AuthPrivateKeyJWT, connector.AuthSecretJWT:
		signed, err := clientAssertion(conn, call, app, now)
		if err != nil {
			return err
		}
		form.Set("client_id", app.ClientID)
		form.Set("client_assertion_type", assertionType)
		form.Set("client_assertion", signed)
	case connector.AuthNone, connector.AuthTLS:
		form.Set("client_id", app.ClientID)
	default:
		form.Set("client_id", app.ClientID)
		form.Set("client_secret", secret)
	}
	return nil
}

// fill puts the app's credentials where a connector names them, as Square's revocation in a header of its own.
func (a App) fill(text string) string {
	id, secret := a.ClientID, a.Secret.Reveal()
	return strings.NewReplacer(
		"{client_id}", id, "{client_secret}", secret,
		"{client_id_base64}", base64.StdEncoding.EncodeToString([]byte(id)),
		"{client_secret_base64}", base64.StdEncoding.EncodeToString([]byte(secret)),
	).Replace(text)
}
