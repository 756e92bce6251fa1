package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/acme/connections/internal/connector"
)

// DefaultDataDir is where "worker --dev" keeps its state, below the working directory.
const DefaultDataDir = ".connections"

// Dev is what "worker --dev" leaves in its data directory, so that its own next start and the starter find everything.
// It holds no secret.
type Dev struct {
	dir string

	BaseURL         string  `json:"base_url"`
	TemporalAddress string  `json:"temporal_address"`
	TemporalUI      string  `json:"temporal_ui,omitempty"`
	Namespace       string  `json:"namespace"`
	Postgres        bool    `json:"postgres,omitempty"`
	Sandbox         Sandbox `json:"sandbox"`
}

// Sandbox is where the sandbox provider is.
type Sandbox struct {
	Address       string `json:"address"`
	Issuer        string `json:"issuer"`
	Authorization string `json:"authorization"`
	Token         string `json:"token"`
	Revocation    string `json:"revocation"`
	Introspection string `json:"introspection,omitempty"`
	Userinfo      string `json:"userinfo"`
	API           string `json:"api"`
	Contacts      string `json:"contacts"`
}

// NewDev makes the state of a data directory.
func NewDev(dir string) Dev { return Dev{dir: dir} }

// VaultFile is the SQLite vault.
func (d Dev) VaultFile() string { return filepath.Join(d.dir, "vault.db") }

// VaultKeyset is the keyset "vault".
func (d Dev) VaultKeyset() string { return filepath.Join(d.dir, "keyset-vault.json") }

// AccessKeyset is the keyset "access".
func (d Dev) AccessKeyset() string { return filepath.Join(d.dir, "keyset-access.json") }

// SandboxFile is the sandbox provider's state.
func (d Dev) SandboxFile() string { return filepath.Join(d.dir, "sandbox.db") }

// MachineSecretFile holds the secret of the sandbox's client "sandbox-m2m", for trying --client-secret-file.
func (d Dev) MachineSecretFile() string { return filepath.Join(d.dir, "sandbox-m2m.secret") }

func devFile(dir string) string { return filepath.Join(dir, "dev.json") }

// ReadDev reads the state of a data directory (os.ErrNotExist if there is none).
func ReadDev(dir string) (Dev, error) {
	content, err := os.ReadFile(devFile(dir))
	if errors.Is(err, os.ErrNotExist) {
		return Dev{}, err
	}
	if err != nil {
		return Dev{}, fmt.Errorf("cannot read the data directory %s: %w", dir, err)
	}
	d := NewDev(dir)
	if err := json.Unmarshal(content, &d); err != nil {
		return Dev{}, fmt.Errorf("%s is damaged: delete it and start \"go run ./worker --dev\" again", devFile(dir))
	}
	return d, nil
}

// Write stores the state, whole or not at all.
func (d Dev) Write() error {
	content, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return err
	}
	temp := devFile(d.dir) + ".new"
	if err := os.WriteFile(temp, append(content, '\n'), 0o600); err != nil {
		return fmt.Errorf("cannot write to the data directory %s: %w", d.dir, err)
	}
	return os.Rename(temp, devFile(d.dir))
}

// Connector is the sandbox as a connector: the one that is reached by plain http, on loopback.
func (s Sandbox) Connector() connector.Connector {
	rotates := true
	return connector.Connector{
		ID: "sandbox", Name: "Sandbox", Category: "development", Loopback: true,
		Grants: []string{connector.AuthorizationCode, connector.ClientCredentials},
		Issuer: s.Issuer,
		Authorize: &connector.Authorize{
			URL: s.Authorization, PKCE: "S256", IssRequired: true,
		},
		Token:   connector.TokenCall{URL: s.Token, Auth: connector.AuthBasic},
		Refresh: connector.Refresh{Rotates: &rotates},
		Revoke:  &connector.Revoke{URL: s.Revocation}, UserinfoURL: s.Userinfo, IntrospectURL: s.Introspection,
		Steps: []connector.Step{{Name: "identity", URL: s.Userinfo, Metadata: []connector.Capture{
			{Path: "sub", As: connector.AccountID},
			// The address, or else the name: what is known last counts.
			{Path: "name", As: connector.AccountLabel},
			{Path: "email", As: connector.AccountLabel},
		}}},
		Scopes:            connector.Scopes{Separator: " ", Default: []string{"openid", "profile", "email", "offline_access", "contacts.read"}},
		ClientCredentials: &connector.ClientCredentialsCall{Scopes: []string{"contacts.read"}},
		Notes:             "The authorization server inside \"worker --dev\": sign in as demo / demo, or as ada / ada. Tokens live 60 seconds; refresh tokens rotate, and reuse of an old one revokes them all. POST /_behaviour and /_faults change that: see the README.",
		Confidence:        "high",
	}
}
