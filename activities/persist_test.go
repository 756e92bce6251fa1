package activities

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/keyring"
	"github.com/acme/connections/internal/oauth"
	"github.com/acme/connections/internal/vault"
)

// awayVault is a vault that answers nothing until it is back.
type awayVault struct {
	vault.Store
	back  time.Time
	saved []byte
	err   error
}

func (v *awayVault) SaveReply(_ context.Context, _ string, sealed []byte) error {
	if time.Now().Before(v.back) {
		return errors.New("away")
	}
	v.saved = sealed
	return v.err
}

func keeper(t *testing.T) *Activities {
	t.Helper()
	ring, err := keyring.LoadOrCreate(keyring.Vault, filepath.Join(t.TempDir(), "vault.json"))
	require.NoError(t, err)
	return New(Deps{Keys: keyring.Keys{Vault: ring}, Log: slog.New(slog.DiscardHandler)})
}

// TestKeep_WaitsForTheVaultWithinABound: the reply in memory must not wait for ever, since it can still be landed.
func TestKeep_WaitsForTheVaultWithinABound(t *testing.T) {
	t.Parallel()
	a := keeper(t)
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			away, want time.Duration
			saved      bool
		}{{0, 0, true}, {time.Minute, time.Minute, true}, {time.Hour, landing, false}} {
			start := time.Now()
			store := &awayVault{back: start.Add(c.away)}
			a.vault = store
			require.NoError(t, a.keep(context.WithoutCancel(t.Context()), "a", oauth.Raw{Status: 200, Body: []byte("body")}))
			require.Equal(t, c.saved, store.saved != nil)
			require.InDelta(t, c.want.Seconds(), time.Since(start).Seconds(), 6)
			require.NotContains(t, string(store.saved), "body")
		}
	})
}

// TestPersist_StopsAtAVerdict: what the vault has answered is not asked again.
func TestPersist_StopsAtAVerdict(t *testing.T) {
	t.Parallel()
	for _, verdict := range []error{vault.ErrNotFound, vault.ErrExists, vault.ErrConflict, vault.ErrConsumed, vault.ErrExpired} {
		asked := 0
		require.ErrorIs(t, persist(t.Context(), func(context.Context) error { asked++; return verdict }), verdict)
		require.Equal(t, 1, asked)
	}
}
