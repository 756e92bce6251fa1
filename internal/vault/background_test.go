package vault_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/vault"
)

func TestBackground(t *testing.T) {
	t.Parallel()
	background := vault.NewBackground()
	ended, leave, ok := background.Enter(t.Context())
	require.True(t, ok)
	leave()
	require.Error(t, ended.Err())

	entered, leave, ok := background.Enter(context.Background())
	require.True(t, ok)
	closed := make(chan struct{})
	go func() {
		background.Close()
		close(closed)
	}()
	<-entered.Done()
	select {
	case <-closed:
		require.Fail(t, "closed before all have left")
	default:
	}
	leave()
	<-closed
	_, _, ok = background.Enter(t.Context())
	require.False(t, ok)
	background.Close()
}
