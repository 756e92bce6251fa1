package keyring

import (
	"context"
	"fmt"
)

// checkValue is sealed once into each vault, to tell at start whether a keyset is that vault's.
const checkValue = "connections"

// Checks keeps the sealed check values; the vault implements it.
type Checks interface {
	KeyCheck(ctx context.Context, keyset string, offered []byte) (stored []byte, err error)
}

// Check proves that r is the keyset that sealed the vault's rows. The first one to ask decides.
func Check(ctx context.Context, r *Ring, checks Checks) error {
	field := Field{Kind: "check", ID: r.name, Name: "value"}
	offered, err := r.Seal(field, []byte(checkValue))
	if err != nil {
		return err
	}
	stored, err := checks.KeyCheck(ctx, r.name, offered)
	if err != nil {
		return err
	}
	if _, err := r.Open(field, stored); err != nil {
		return fmt.Errorf("the keyset %q is not the one that sealed this vault: give the worker the keyset that it was started with first, or an empty database", r.name)
	}
	return nil
}
