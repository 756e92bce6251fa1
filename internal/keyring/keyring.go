// Package keyring seals and opens secrets with Tink AEAD keysets.
//
// There are two keysets, because whoever may use access tokens must not be able to open refresh tokens and client
// secrets: Vault is for our own workers, Access is for callers too.
package keyring

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/acme/connections/internal/secret"
)

// The names of the two keysets.
const (
	Vault  = "vault"
	Access = "access"
)

// ErrOpen means that a sealed value does not belong to this keyset or to this field: a wrong keyset, a retired key,
// or a value that was moved or changed.
var ErrOpen = errors.New("keyring: cannot open: wrong keyset, or the value was moved or changed")

// envelope is the version byte in front of Tink's own ciphertext, which begins with the id of its key.
const envelope = 1

// Ring seals with the primary key of one keyset and opens with any of its keys. It is safe for concurrent use.
type Ring struct {
	name string
	aead tink.AEAD
}

// Keys are both keysets. A caller's process has Access only.
type Keys struct {
	Vault  *Ring
	Access *Ring
}

// Field is where a sealed value belongs. It is bound to the ciphertext as associated data, so that a value moved to
// another row, field or generation does not open.
type Field struct {
	Kind, ID, Name string
	Generation     int64
}

func (f Field) associatedData() []byte {
	var b []byte
	for _, part := range []string{f.Kind, f.ID, f.Name} {
		b = binary.AppendUvarint(b, uint64(len(part)))
		b = append(b, part...)
	}
	return binary.AppendVarint(b, f.Generation)
}

// Name is the keyset's name, Vault or Access.
func (r *Ring) Name() string { return r.name }

// Seal encrypts plaintext for the field.
func (r *Ring) Seal(f Field, plaintext []byte) ([]byte, error) {
	sealed, err := r.aead.Encrypt(plaintext, f.associatedData())
	if err != nil {
		return nil, fmt.Errorf("keyring: seal with keyset %q: %w", r.name, err)
	}
	return append([]byte{envelope}, sealed...), nil
}

// Open decrypts what Seal made for the same field (ErrOpen).
func (r *Ring) Open(f Field, sealed []byte) ([]byte, error) {
	if len(sealed) == 0 || sealed[0] != envelope {
		return nil, ErrOpen
	}
	plaintext, err := r.aead.Decrypt(sealed[1:], f.associatedData())
	if err != nil {
		return nil, ErrOpen
	}
	return plaintext, nil
}

// SealString is Seal for a secret text; the empty secret gives nil.
func (r *Ring) SealString(f Field, s secret.String) ([]byte, error) {
	if s.Empty() {
		return nil, nil
	}
	return r.Seal(f, []byte(s.Reveal()))
}

// OpenString is the inverse of SealString.
func (r *Ring) OpenString(f Field, sealed []byte) (secret.String, error) {
	if sealed == nil {
		return secret.String{}, nil
	}
	plaintext, err := r.Open(f, sealed)
	return secret.New(string(plaintext)), err
}

// Load reads a keyset from a file in Tink's JSON format, in clear: protect the file.
func Load(name, path string) (*Ring, error) {
	content, err := os.ReadFile(path) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, fmt.Errorf("cannot read keyset %q from %s: %w; make one with \"starter keyset create %s\"", name, path, err, path)
	}
	handle, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(content)))
	if err != nil {
		// Tink's error could quote the file, and the file is a key.
		return nil, fmt.Errorf("%s is not a Tink keyset in JSON: make one with \"starter keyset create %s\"", path, path)
	}
	primitive, err := aead.New(handle)
	if err != nil {
		return nil, fmt.Errorf("%s is a Tink keyset, but not one for AEAD: make one with \"starter keyset create %s\"", path, path)
	}
	return &Ring{name: name, aead: primitive}, nil
}

// Create writes a new keyset to a file that must not exist yet, readable by its owner only.
//
// Its key is XChaCha20-Poly1305: its nonces are long enough to be drawn at random for as many rows as there will be.
func Create(path string) error {
	handle, err := keyset.NewHandle(aead.XChaCha20Poly1305KeyTemplate())
	if err != nil {
		return fmt.Errorf("keyring: new keyset: %w", err)
	}
	var content bytes.Buffer
	if err := insecurecleartextkeyset.Write(handle, keyset.NewJSONWriter(&content)); err != nil {
		return fmt.Errorf("keyring: encode keyset: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("cannot make the directory for %s: %w", path, err)
	}
	// Written beside and linked into place, so that a crash leaves no half keyset, and no existing one is replaced.
	temp, err := os.CreateTemp(filepath.Dir(path), ".keyset-*")
	if err != nil {
		return fmt.Errorf("cannot write a keyset beside %s: %w", path, err)
	}
	defer func() { _ = os.Remove(temp.Name()) }()
	if _, err := temp.Write(content.Bytes()); err != nil {
		_ = temp.Close()
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	if err := errors.Join(temp.Sync(), temp.Close()); err != nil {
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	if err := os.Link(temp.Name(), path); err != nil {
		if errors.Is(err, os.ErrExist) {
			return fmt.Errorf("%s exists already and is not overwritten: what it sealed could never be opened again", path)
		}
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	return nil
}

// LoadOrCreate is Load, after Create if the file is not there: for development, where keys may appear by themselves.
func LoadOrCreate(name, path string) (*Ring, error) {
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		if err := Create(path); err != nil {
			if _, statErr := os.Stat(path); statErr != nil {
				return nil, err
			}
		}
	}
	return Load(name, path)
}
