package config_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/config"
	"github.com/acme/connections/internal/connector"
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

	none, err := config.Apps(ids, nil)
	require.NoError(t, err)
	require.Empty(t, none)
}

// TestApps_Faults are said all at once, in a fixed order, and without anything of a secret.
func TestApps_Faults(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file, huge := filepath.Join(dir, "secret"), filepath.Join(dir, "canary")
	require.NoError(t, os.WriteFile(file, []byte("canary"), 0o600))
	require.NoError(t, os.WriteFile(huge, bytes.Repeat([]byte("canary"), 64<<10), 0o600))
	ids := []string{"hubspot", "zoom-server-to-server"}
	const (
		hubspot = "CONNECTOR_HUBSPOT_CLIENT_"
		zoom    = "CONNECTOR_ZOOM_SERVER_TO_SERVER_CLIENT_"
		unread  = "cannot read the secret that " + hubspot + "SECRET_FILE names: give a file that this process may read"
		strange = ` names no connector: "starter connectors" lists them`
	)
	for name, c := range map[string]struct {
		environ []string
		want    string
		apps    int
	}{
		"a secret alone":        {[]string{hubspot + "SECRET=canary"}, "there is a secret in " + hubspot + "SECRET but no client id in " + hubspot + "ID: set both", 0},
		"a file alone":          {[]string{zoom + "SECRET_FILE=" + file}, "there is a secret in " + zoom + "SECRET_FILE but no client id in " + zoom + "ID: set both", 0},
		"both alone":            {[]string{hubspot + "SECRET=canary", hubspot + "SECRET_FILE=" + file}, "there is a secret in " + hubspot + "SECRET but no client id in " + hubspot + "ID: set both", 0},
		"two secrets":           {[]string{hubspot + "ID=h", hubspot + "SECRET=canary", hubspot + "SECRET_FILE=" + file}, hubspot + "SECRET and " + hubspot + "SECRET_FILE are both set: set one", 0},
		"no such file":          {[]string{hubspot + "ID=h", hubspot + "SECRET_FILE=/nowhere/canary"}, unread, 0},
		"a directory":           {[]string{hubspot + "ID=h", hubspot + "SECRET_FILE=" + dir}, unread, 0},
		"a huge file":           {[]string{hubspot + "ID=h", hubspot + "SECRET_FILE=" + huge}, unread, 0},
		"a connector misspelt":  {[]string{"CONNECTOR_HUBSPOTT_CLIENT_ID=canary"}, "CONNECTOR_HUBSPOTT_CLIENT_ID" + strange, 0},
		"a connector of nobody": {[]string{"CONNECTOR_X_CLIENT_SECRET_FILE=canary"}, "CONNECTOR_X_CLIENT_SECRET_FILE" + strange, 0},
		"with the wrong sign":   {[]string{"CONNECTOR_ZOOM-SERVER-TO-SERVER_CLIENT_ID=canary"}, "CONNECTOR_ZOOM-SERVER-TO-SERVER_CLIENT_ID" + strange, 0},
		"in lower case":         {[]string{"CONNECTOR_hubspot_CLIENT_ID=canary"}, "CONNECTOR_hubspot_CLIENT_ID" + strange, 0},
		"several": {
			[]string{"CONNECTOR_Y_CLIENT_ID=c", hubspot + "SECRET=c", zoom + "ID=z", zoom + "SECRET=s", "CONNECTOR_X_CLIENT_ID=c", "CONNECTOR_Z_CLIENT_SECRET=c"},
			"there is a secret in " + hubspot + "SECRET but no client id in " + hubspot + "ID: set both\n" +
				"CONNECTOR_X_CLIENT_ID" + strange + "\nCONNECTOR_Y_CLIENT_ID" + strange + "\nCONNECTOR_Z_CLIENT_SECRET" + strange, 1,
		},
	} {
		apps, err := config.Apps(ids, c.environ)
		require.EqualError(t, err, c.want, name)
		require.NotContains(t, err.Error(), "canary")
		require.Len(t, apps, c.apps, name)
	}
}

// TestApps_Secrets are taken as they stand, but for the one line end that an editor leaves in a file.
func TestApps_Secrets(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "secret")
	for content, want := range map[string]string{
		"s": "s", "s\n": "s", "s\r\n": "s", "s\n\n": "s\n", " s \n": " s ", "": "", "\n": "",
		"-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n": "-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----",
	} {
		require.NoError(t, os.WriteFile(file, []byte(content), 0o600))
		apps, err := config.Apps([]string{"a"}, []string{"CONNECTOR_A_CLIENT_ID=id", "CONNECTOR_A_CLIENT_SECRET_FILE=" + file})
		require.NoError(t, err)
		require.Len(t, apps, 1)
		require.Equal(t, want, apps[0].ClientSecret.Reveal(), "%q", content)
	}
	for _, text := range []string{"s", " s ", "a=b=c", "s\n"} {
		apps, err := config.Apps([]string{"a"}, []string{"CONNECTOR_A_CLIENT_ID=id", "CONNECTOR_A_CLIENT_SECRET=" + text})
		require.NoError(t, err)
		require.Equal(t, text, apps[0].ClientSecret.Reveal())
	}
	public, err := config.Apps([]string{"a"}, []string{"CONNECTOR_A_CLIENT_ID=id", "CONNECTOR_A_CLIENT_SECRET="})
	require.NoError(t, err)
	require.Equal(t, "id", public[0].ClientID)
	require.True(t, public[0].ClientSecret.Empty(), "a public client has none")
}

// TestApps_OfEveryBuiltInConnector: no two of them share a name in the environment.
func TestApps_OfEveryBuiltInConnector(t *testing.T) {
	t.Parallel()
	all, err := connector.Load()
	require.NoError(t, err)
	var environ []string
	for _, id := range all.IDs() {
		name := "CONNECTOR_" + strings.ToUpper(strings.ReplaceAll(id, "-", "_"))
		environ = append(environ, name+"_CLIENT_ID=id of "+id, name+"_CLIENT_SECRET=secret of "+id)
	}
	apps, err := config.Apps(all.IDs(), environ)
	require.NoError(t, err)
	require.Len(t, apps, len(all.IDs()))
	for _, app := range apps {
		require.Equal(t, "id of "+app.Connector, app.ClientID)
		require.Equal(t, "secret of "+app.Connector, app.ClientSecret.Reveal())
	}
}
