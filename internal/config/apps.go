package config

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/acme/connections/internal/secret"
)

// App is an OAuth app that the environment names for a connector.
type App struct {
	Connector, ClientID string
	ClientSecret        secret.String
}

// maxSecretFile bounds a file that holds a secret.
const maxSecretFile = 64 << 10

// Apps reads the platform's OAuth apps from the environment: CONNECTOR_<ID>_CLIENT_ID with CONNECTOR_<ID>_CLIENT_SECRET
// or CONNECTOR_<ID>_CLIENT_SECRET_FILE, where <ID> is one of ids in upper case, with "_" for "-".
func Apps(ids []string, environ []string) ([]App, error) {
	values := make(map[string]string)
	for _, entry := range environ {
		if name, value, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "CONNECTOR_") && value != "" {
			values[name] = value
		}
	}
	var apps []App
	var faults []error
	for _, id := range ids {
		prefix := "CONNECTOR_" + strings.ToUpper(strings.ReplaceAll(id, "-", "_")) + "_CLIENT_"
		clientID, text, file := values[prefix+"ID"], values[prefix+"SECRET"], values[prefix+"SECRET_FILE"]
		for _, name := range []string{"ID", "SECRET", "SECRET_FILE"} {
			delete(values, prefix+name)
		}
		switch {
		case clientID == "" && text == "" && file == "":
			continue
		case clientID == "":
			held := prefix + "SECRET"
			if text == "" {
				held = prefix + "SECRET_FILE"
			}
			faults = append(faults, fmt.Errorf("there is a secret in %s but no client id in %sID: set both", held, prefix))
			continue
		case text != "" && file != "":
			faults = append(faults, fmt.Errorf("%sSECRET and %sSECRET_FILE are both set: set one", prefix, prefix))
			continue
		case file != "":
			content, err := os.ReadFile(file) //nolint:gosec // the operator names the file
			if err != nil || len(content) > maxSecretFile {
				faults = append(faults, fmt.Errorf("cannot read the secret that %sSECRET_FILE names: give a file that this process may read", prefix))
				continue
			}
			text = strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r")
		}
		apps = append(apps, App{Connector: id, ClientID: clientID, ClientSecret: secret.New(text)})
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if strings.HasSuffix(name, "_CLIENT_ID") || strings.HasSuffix(name, "_CLIENT_SECRET") || strings.HasSuffix(name, "_CLIENT_SECRET_FILE") {
			faults = append(faults, fmt.Errorf("%s names no connector: \"starter connectors\" lists them", name))
		}
	}
	return apps, errors.Join(faults...)
}
