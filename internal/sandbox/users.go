package sandbox

import (
	"context"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"database/sql"
	"errors"
	"fmt"
)

// passwordRounds is low: the passwords are printed on the login page.
const passwordRounds = 1000

// user is a person who can sign in.
type user struct {
	id, username, name, email string
}

// defaultUsers are all there are: two, so that a reconnection with another account can be tried.
func defaultUsers() []user {
	return []user{
		{id: "user-demo", username: "demo", name: "Demo User", email: "demo@example.com"},
		{id: "user-ada", username: "ada", name: "Ada Lovelace", email: "ada@example.com"},
	}
}

// provisionUsers creates the users that the login page names, each with a password equal to the username.
func (s *store) provisionUsers(ctx context.Context) error {
	for _, u := range defaultUsers() {
		salt := make([]byte, 16)
		_, _ = rand.Read(salt) // never fails
		hash, err := passwordHash(u.username, salt)
		if err != nil {
			return err
		}
		_, err = s.db.ExecContext(ctx, `INSERT INTO users (id, username, name, email, salt, password_hash)
			VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`, u.id, u.username, u.name, u.email, salt, hash)
		if err != nil {
			return fmt.Errorf("sandbox: default users: %w", err)
		}
	}
	return nil
}

func passwordHash(password string, salt []byte) ([]byte, error) {
	return pbkdf2.Key(sha256.New, password, salt, passwordRounds, sha256.Size)
}

// login returns the user with this name and password, or nil.
func (s *store) login(ctx context.Context, username, password string) (*user, error) {
	u := user{username: username}
	var salt, want []byte
	err := s.db.QueryRowContext(ctx, `SELECT id, name, email, salt, password_hash FROM users WHERE username = ?`, username).
		Scan(&u.id, &u.name, &u.email, &salt, &want)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil //nolint:nilnil // nobody is an answer, not a failure
	}
	if err != nil {
		return nil, err
	}
	got, err := passwordHash(password, salt)
	if err != nil {
		return nil, err
	}
	if subtle.ConstantTimeCompare(got, want) != 1 {
		return nil, nil //nolint:nilnil // nobody is an answer, not a failure
	}
	return &u, nil
}

func (s *store) user(ctx context.Context, id string) (*user, error) {
	u := user{id: id}
	err := s.db.QueryRowContext(ctx, `SELECT username, name, email FROM users WHERE id = ?`, id).
		Scan(&u.username, &u.name, &u.email)
	if err != nil {
		return nil, err
	}
	return &u, nil
}
