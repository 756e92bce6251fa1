package sandbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"time"
)

// Presentation is one sight of a refresh token at the token endpoint, whatever came of it. Times are the clock's, in UTC
// and whole milliseconds; Behaviour.ClockSkew does not touch them.
type Presentation struct {
	Hash   string    `json:"hash"`   // of the refresh token: see TokenHash
	Family string    `json:"family"` // id of the grant that it belongs to; empty if the token is unknown
	At     time.Time `json:"at"`     // when the request had been read
	// Outcome is empty while the request is being answered, also for good if the process died over it.
	Outcome string `json:"outcome"`
	// CommittedAt is when the tokens that came of it were committed; zero if none did. It is part of that commit, so
	// that it also tells what a process had done that died before the outcome.
	CommittedAt time.Time `json:"committed_at,omitzero"`
	// Successor is the hash of the refresh token issued; empty if none was, as without a rotation.
	Successor string `json:"successor,omitempty"`
}

// TokenHash is how a refresh token appears in a Presentation.
func TokenHash(refreshToken string) string { return hashOf(refreshToken) }

// Presentations lists every refresh token presented, oldest first, over restarts too.
// It lets a chaos run assert that each was presented at most once, and place what was lost between the commit here and
// the one that the client did not get to make. Also as JSON from GET /_presentations.
func (p *Provider) Presentations(ctx context.Context) ([]Presentation, error) {
	return p.store.presentations(ctx)
}

// caller is for whom a token request is made; empty where the code or refresh token is unknown or there is none.
type caller struct{ username, family string }

// caller looks a request up by its code or refresh token.
func (s *store) caller(ctx context.Context, grant string, form url.Values) (caller, error) {
	var c caller
	var err error
	switch grant {
	case grantRefresh:
		err = s.db.QueryRowContext(ctx, `SELECT u.username, f.id FROM refresh_tokens t JOIN families f ON f.id = t.family
			JOIN users u ON u.id = f.user_id WHERE t.hash = ?`, hashOf(form.Get("refresh_token"))).Scan(&c.username, &c.family)
	case grantCode:
		err = s.db.QueryRowContext(ctx, `SELECT u.username FROM auth_requests r JOIN users u ON u.id = r.user_id
			WHERE r.code_hash = ?`, hashOf(form.Get("code"))).Scan(&c.username)
	}
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return caller{}, fmt.Errorf("look the caller up: %w", err)
	}
	return c, nil
}

func (s *store) present(ctx context.Context, hash, family string) (int64, error) {
	result, err := s.db.ExecContext(ctx, `INSERT INTO presentations (hash, family, at, outcome) VALUES (?, ?, ?, '')`,
		hash, family, s.millis())
	if err != nil {
		return 0, fmt.Errorf("record presentation: %w", err)
	}
	return result.LastInsertId()
}

// commitPresentation notes, in the transaction that issues them, what a presented refresh token bought.
func (s *store) commitPresentation(ctx context.Context, tx *sql.Tx, i *issue) error {
	successor := ""
	if i.refreshToken != "" {
		successor = hashOf(i.refreshToken)
	}
	_, err := tx.ExecContext(ctx, `UPDATE presentations SET committed = ?, successor = ? WHERE id = ?`,
		s.millis(), successor, i.presentation)
	return err
}

func (s *store) settlePresentation(ctx context.Context, id int64, outcome string) error {
	_, err := s.db.ExecContext(ctx, `UPDATE presentations SET outcome = ? WHERE id = ?`, outcome, id)
	return err
}

func (s *store) presentations(ctx context.Context) ([]Presentation, error) {
	rows, err := s.db.QueryContext(ctx, `SELECT hash, family, at, outcome, committed, successor FROM presentations ORDER BY id`)
	if err != nil {
		return nil, fmt.Errorf("sandbox: read presentations: %w", err)
	}
	defer func() { _ = rows.Close() }()
	list := []Presentation{}
	for rows.Next() {
		var one Presentation
		var at, committed int64
		if err := rows.Scan(&one.Hash, &one.Family, &at, &one.Outcome, &committed, &one.Successor); err != nil {
			return nil, fmt.Errorf("sandbox: read presentations: %w", err)
		}
		one.At = time.UnixMilli(at).UTC()
		if committed != 0 {
			one.CommittedAt = time.UnixMilli(committed).UTC()
		}
		list = append(list, one)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("sandbox: read presentations: %w", err)
	}
	return list, nil
}
