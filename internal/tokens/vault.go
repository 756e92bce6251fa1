package tokens

import (
	"context"
	"time"

	"github.com/acme/connections/internal/vault"
)

// Parts are what a vault offers an Engine.
type Parts struct {
	Store   Store
	Watcher Watcher
	Auditor Auditor
}

// OfVault takes what an Engine needs from a vault.
func OfVault(v vault.Store) Parts { return Parts{Store: ofVault{v}} }

type ofVault struct{ vault vault.Store }

// AccessRow implements Store.
func (o ofVault) AccessRow(ctx context.Context, id string) (Row, error) {
	c, err := o.vault.Connection(ctx, id)
	if err != nil {
		return Row{}, err
	}
	return Row{
		Owner: c.Owner, Connector: c.Connector, Status: c.Status, Reason: c.Reason, Generation: c.Generation,
		Failures: c.Failures, TokenType: c.TokenType, Scopes: c.GrantedScopes, Inputs: c.Inputs, Metadata: c.Metadata,
		IssuedAt: c.IssuedAt, ExpiresAt: c.ExpiresAt, Sealed: c.AccessToken,
	}, nil
}

// MarkRead implements Store.
func (o ofVault) MarkRead(ctx context.Context, marks map[string]time.Time) error {
	return o.vault.MarkRead(ctx, marks)
}
