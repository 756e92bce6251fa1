package sandbox

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"database/sql"
	"errors"
	"fmt"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/op"
)

const signingAlgorithm = jose.ES256

// keys are the server's own: one signs id_tokens, one encrypts codes and access-token ids into opaque text.
type keys struct {
	id      string
	signing *ecdsa.PrivateKey
	crypto  [32]byte
}

// signingKey and publicKey are the two views that the engine wants of the same key.
type (
	signingKey struct{ *keys }
	publicKey  struct{ *keys }
)

var (
	_ op.SigningKey = signingKey{}
	_ op.Key        = publicKey{}
)

func (k signingKey) ID() string                                  { return k.id }
func (k signingKey) Key() any                                    { return k.signing }
func (k signingKey) SignatureAlgorithm() jose.SignatureAlgorithm { return signingAlgorithm }

func (k publicKey) ID() string                         { return k.id }
func (k publicKey) Key() any                           { return &k.signing.PublicKey }
func (k publicKey) Algorithm() jose.SignatureAlgorithm { return signingAlgorithm }
func (k publicKey) Use() string                        { return "sig" }

// loadKeys reads the keys of the state, creating them the first time.
func (s *store) loadKeys(ctx context.Context) (*keys, error) {
	var k *keys
	err := s.tx(ctx, func(tx *sql.Tx) (err error) {
		if k, err = readKeys(ctx, tx); !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if k, err = newKeys(); err != nil {
			return err
		}
		return writeKeys(ctx, tx, k)
	})
	if err != nil {
		return nil, fmt.Errorf("sandbox: keys: %w", err)
	}
	return k, nil
}

func newKeys() (*keys, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	k := &keys{id: randomText()[:16], signing: private}
	_, _ = rand.Read(k.crypto[:]) // never fails
	return k, nil
}

func readKeys(ctx context.Context, tx *sql.Tx) (*keys, error) {
	var id string
	var der, symmetric []byte
	err := tx.QueryRowContext(ctx, `SELECT a.value, b.value, c.value FROM meta a, meta b, meta c
		WHERE a.key = 'key_id' AND b.key = 'signing_key' AND c.key = 'crypto_key'`).Scan(&id, &der, &symmetric)
	if err != nil {
		return nil, err
	}
	private, err := x509.ParseECPrivateKey(der)
	if err != nil {
		return nil, err
	}
	k := &keys{id: id, signing: private}
	if copy(k.crypto[:], symmetric) != len(k.crypto) {
		return nil, errors.New("crypto key is too short")
	}
	return k, nil
}

func writeKeys(ctx context.Context, tx *sql.Tx, k *keys) error {
	der, err := x509.MarshalECPrivateKey(k.signing)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO meta (key, value) VALUES ('key_id', ?), ('signing_key', ?), ('crypto_key', ?)`,
		[]byte(k.id), der, k.crypto[:])
	return err
}
