package secret_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/secret"
)

const canary = "s3cr3t-canary"

type holder struct {
	Public  secret.String
	private secret.String
}

func TestStringNeverPrintsItsText(t *testing.T) {
	t.Parallel()
	s := secret.New(canary)
	h := holder{Public: s, private: s}
	for _, verb := range []string{"%s", "%v", "%+v", "%#v", "%q", "%x", "%d"} {
		require.NotContains(t, fmt.Sprintf(verb, s), canary, verb)
		require.NotContains(t, fmt.Sprintf(verb, &h), canary, verb)
		require.NotContains(t, fmt.Sprintf(verb, map[secret.String]int{s: 1}), canary, verb)
		require.NotContains(t, fmt.Sprintf(verb, []any{s, &s, h.private}), canary, verb)
	}
	encoded, err := json.Marshal(map[string]any{"h": h, "s": s})
	require.NoError(t, err)
	require.NotContains(t, string(encoded), canary)

	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", slog.Any("s", s), slog.Any("h", h))
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", slog.Any("s", s), slog.Any("h", h))
	require.NotContains(t, log.String(), canary)
}

func TestStringRevealsOnPurpose(t *testing.T) {
	t.Parallel()
	require.Equal(t, canary, secret.New(canary).Reveal())
	require.True(t, secret.String{}.Empty())
	require.Empty(t, secret.New("").Reveal())
	require.True(t, secret.New("a").Equal(secret.New("a")))
	require.False(t, secret.New("a").Equal(secret.New("b")))
}
