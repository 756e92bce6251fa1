package sample

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
)

// TestRefused: what Temporal makes of an answer that is no page.
func TestRefused(t *testing.T) {
	t.Parallel()
	soon := time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)
	for name, c := range map[string]struct {
		status     int
		retryAfter string
		final      bool
		pause      time.Duration
	}{
		"throttled, in seconds":   {status: 429, retryAfter: "7", pause: 7 * time.Second},
		"throttled, until a time": {status: 429, retryAfter: soon, pause: time.Hour},
		"throttled, in the past":  {status: 429, retryAfter: "Mon, 02 Jan 2006 15:04:05 GMT"},
		"throttled, oddly":        {status: 429, retryAfter: "soon"},
		"throttled":               {status: 429},
		"down":                    {status: 503},
		"refused twice":           {status: 401},
		"not there":               {status: 404, final: true},
		"forbidden":               {status: 403, final: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := refused(&http.Response{StatusCode: c.status, Header: http.Header{"Retry-After": {c.retryAfter}}})
			require.Error(t, err)
			var app *temporal.ApplicationError
			if c.status != http.StatusTooManyRequests && !c.final {
				require.NotErrorAs(t, err, &app, "retried as the policy says")
				return
			}
			require.ErrorAs(t, err, &app)
			require.Equal(t, c.final, app.NonRetryable())
			require.InDelta(t, c.pause.Seconds(), app.NextRetryDelay().Seconds(), 2)
		})
	}
}

func TestPages(t *testing.T) {
	t.Parallel()
	p, err := decode(strings.NewReader(`{"contacts":[{"id":"1"},{"id":"2"}],"next_page_token":"t"}`))
	require.NoError(t, err)
	require.Len(t, p.Contacts, 2)
	require.Equal(t, "t", p.NextPageToken)
	_, err = decode(strings.NewReader(`{"contacts":[{"id":"1"}`))
	require.Error(t, err, "cut off")

	request, err := newRequest(t.Context(), "http://127.0.0.1/contacts", "a b")
	require.NoError(t, err)
	require.Equal(t, "page_token=a+b", request.URL.RawQuery)
	_, err = newRequest(t.Context(), ":", "")
	var app *temporal.ApplicationError
	require.ErrorAs(t, err, &app)
	require.True(t, app.NonRetryable())
}
