package activities

import (
	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/keyring"
	"github.com/acme/connections/internal/vault"
)

// NewTokens makes Tokens of parts that a test has open.
func NewTokens(c Config, access vault.Access, ring *keyring.Ring, catalogue *connector.Catalogue) *Tokens {
	return newTokens(c, access, ring, catalogue, nil)
}
