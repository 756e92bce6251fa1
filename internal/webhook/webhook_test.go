package webhook_test

import (
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/secret"
	"github.com/acme/connections/internal/webhook"
)

// The example of the specification's own libraries: what their verifiers take, whatever library made it.
func TestSign_KnownVector(t *testing.T) {
	t.Parallel()
	signature, err := webhook.Sign(
		[]secret.String{secret.New("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")},
		"msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`))
	require.NoError(t, err)
	require.Equal(t, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", signature)
}

func TestNewSecret(t *testing.T) {
	t.Parallel()
	one, other := webhook.NewSecret(), webhook.NewSecret()
	require.False(t, one.Equal(other))
	text, ok := strings.CutPrefix(one.Reveal(), "whsec_")
	require.True(t, ok)
	key, err := base64.StdEncoding.DecodeString(text)
	require.NoError(t, err)
	require.Len(t, key, 32)
}

// headers are those of one attempt.
func headers(id string, at time.Time, signature string) http.Header {
	h := http.Header{}
	h.Set("webhook-id", id)
	h.Set("webhook-timestamp", strconv.FormatInt(at.Unix(), 10))
	h.Set("webhook-signature", signature)
	return h
}

// While a secret is rotated, receivers with either are content; those with neither are not.
func TestSign_BothSecrets(t *testing.T) {
	t.Parallel()
	older, newer, now, body := webhook.NewSecret(), webhook.NewSecret(), time.Now(), []byte(`{"type":"connection.degraded"}`)
	signature, err := webhook.Sign([]secret.String{newer, older}, "evt_1", now, body)
	require.NoError(t, err)
	require.Len(t, strings.Fields(signature), 2)
	for _, s := range []secret.String{older, newer} {
		verifier, err := standardwebhooks.NewWebhook(s.Reveal())
		require.NoError(t, err)
		require.NoError(t, verifier.Verify(body, headers("evt_1", now, signature)))
		require.Error(t, verifier.Verify([]byte(`{"type":"connection.recovered"}`), headers("evt_1", now, signature)))
		require.Error(t, verifier.Verify(body, headers("evt_2", now, signature)))
	}
	stranger, err := standardwebhooks.NewWebhook(webhook.NewSecret().Reveal())
	require.NoError(t, err)
	require.ErrorIs(t, stranger.Verify(body, headers("evt_1", now, signature)), standardwebhooks.ErrNoMatchingSignature)
}

// A webhook that somebody has recorded is of no use later: its timestamp is signed, and an old one is refused.
func TestAttackWebhookReplayed(t *testing.T) {
	t.Parallel()
	s, body := webhook.NewSecret(), []byte(`{}`)
	verifier, err := standardwebhooks.NewWebhook(s.Reveal())
	require.NoError(t, err)
	then := time.Now().Add(-6 * time.Minute)
	signature, err := webhook.Sign([]secret.String{s}, "evt_1", then, body)
	require.NoError(t, err)
	require.ErrorIs(t, verifier.Verify(body, headers("evt_1", then, signature)), standardwebhooks.ErrMessageTooOld)
	require.ErrorIs(t, verifier.Verify(body, headers("evt_1", time.Now(), signature)), standardwebhooks.ErrNoMatchingSignature)
}

func TestSign_RefusesWhatIsNoSecret(t *testing.T) {
	t.Parallel()
	_, err := webhook.Sign([]secret.String{secret.New("whsec_*canary*")}, "evt_1", time.Now(), nil)
	require.ErrorIs(t, err, webhook.ErrSecret)
	require.NotContains(t, err.Error(), "canary")
}

func TestCheckURL(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"https://hooks.example.com":                  "",
		"https://hooks.example.com:443/a?b=c":        "",
		"https://203.0.113.7/":                       "", // its address is judged elsewhere
		"":                                           "no URL",
		"hooks.example.com":                          "no URL",
		"https://":                                   "no URL",
		"https://:443/":                              "no URL",
		"https://a b/":                               "no URL",
		"http://hooks.example.com/":                  "https://",
		"ftp://hooks.example.com/":                   "https://",
		"file:///etc/passwd":                         "no URL",
		"https://hooks.example.com:8443/":            "443",
		"https://user:password@hooks.example.com/":   "password",
		"https://hooks.example.com/#a":               "fragment",
		"http://localhost:8080/":                     "https://",
		"https://localhost:8443/":                    "443",
		"https://e.com/" + strings.Repeat("a", 2048): "longer",
	} {
		_, err := webhook.CheckURL(text, false)
		if want == "" {
			require.NoError(t, err, text)
			continue
		}
		require.ErrorContains(t, err, want, text)
		require.NotContains(t, err.Error(), "user:", "nothing of the URL is in the error")
	}
	for _, text := range []string{"http://localhost:8080/", "http://127.0.0.1:1/", "https://[::1]:8443/"} {
		_, err := webhook.CheckURL(text, true)
		require.NoError(t, err, text)
	}
	_, err := webhook.CheckURL("http://hooks.example.com/", true)
	require.Error(t, err)
}
