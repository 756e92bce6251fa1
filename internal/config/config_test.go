package config_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/config"
)

// A worker without --dev has no data directory: it takes nothing from one that happens to be where it was started.
func TestLoad_NoDataDirectory(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, config.NewDev(dir).Write())
	t.Chdir(dir)
	s, err := config.Load("")
	require.NoError(t, err)
	require.Nil(t, s.Dev)
	require.False(t, s.Loopback())

	s, err = config.Load(".")
	require.NoError(t, err)
	require.NotNil(t, s.Dev)
	require.True(t, s.Loopback())
}

func TestLoad_AllowLoopback(t *testing.T) {
	for value, allowed := range map[string]bool{"": false, "0": false, "1": true} {
		t.Setenv(config.EnvAllowLoopback, value)
		s, err := config.Load(filepath.Join(t.TempDir(), "none"))
		require.NoError(t, err)
		require.Nil(t, s.Dev)
		require.Equal(t, allowed, s.Loopback(), "%q", value)
	}
}
