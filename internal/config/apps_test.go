package config_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/config"
)

func TestApps(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(file, []byte("from file\r\n"), 0o600))
	ids := []string{"hubspot", "zoom-server-to-server"}
	apps, err := config.Apps(ids, []string{
		"PATH=/bin", "CONNECTOR_HUBSPOT_CLIENT_ID=h", "CONNECTOR_HUBSPOT_CLIENT_SECRET=s=1",
		"CONNECTOR_ZOOM_SERVER_TO_SERVER_CLIENT_ID=z", "CONNECTOR_ZOOM_SERVER_TO_SERVER_CLIENT_SECRET_FILE=" + file,
		"CONNECTOR_COLOUR=blue", "CONNECTOR_SLACK_CLIENT_ID=",
	})
	require.NoError(t, err)
	require.Len(t, apps, 2)
	require.Equal(t, "s=1", apps[0].ClientSecret.Reveal())
	require.Equal(t, "zoom-server-to-server", apps[1].Connector)
	require.Equal(t, "from file", apps[1].ClientSecret.Reveal())

	for says, environ := range map[string][]string{
		"no client id in CONNECTOR_HUBSPOT_CLIENT_ID":        {"CONNECTOR_HUBSPOT_CLIENT_SECRET=canary"},
		"are both set: set one":                              {"CONNECTOR_HUBSPOT_CLIENT_ID=h", "CONNECTOR_HUBSPOT_CLIENT_SECRET=canary", "CONNECTOR_HUBSPOT_CLIENT_SECRET_FILE=" + file},
		"cannot read the secret":                             {"CONNECTOR_HUBSPOT_CLIENT_ID=h", "CONNECTOR_HUBSPOT_CLIENT_SECRET_FILE=/nowhere/canary"},
		"CONNECTOR_HUBSPOTT_CLIENT_ID names no connector":    {"CONNECTOR_HUBSPOTT_CLIENT_ID=canary"},
		"CONNECTOR_X_CLIENT_SECRET_FILE names no connector":  {"CONNECTOR_X_CLIENT_SECRET_FILE=canary"},
		"CONNECTOR_HUB_SPOT_CLIENT_SECRET names no connecto": {"CONNECTOR_HUB_SPOT_CLIENT_SECRET=canary"},
	} {
		_, err := config.Apps(ids, environ)
		require.ErrorContains(t, err, says)
		require.NotContains(t, err.Error(), "canary")
	}
	none, err := config.Apps(ids, nil)
	require.NoError(t, err)
	require.Empty(t, none)
}
