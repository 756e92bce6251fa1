package sandbox

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"
)

// Outcomes of a token request. Any other outcome is the OAuth error code that was answered, such as invalid_grant.
const (
	OutcomeIssued = "issued"
	OutcomeReuse  = "reuse" // a spent code or refresh token: answered invalid_grant, family revoked
	OutcomeFault  = "fault" // an injected answer; the request was not processed
	OutcomeCut    = "cut"   // connection cut before processing
	OutcomeLost   = "lost"  // tokens issued and committed, the answer lost
)

// Stats are counters since Open.
type Stats struct {
	// Tokens counts token requests by grant type ("other" for unknown ones) and outcome.
	Tokens map[string]map[string]int `json:"tokens"`
	// Reuses counts spent codes and refresh tokens that were presented again.
	Reuses int `json:"reuses"`
	// Revocations counts successful calls of the revocation endpoint.
	Revocations int `json:"revocations"`
}

// Presentation is one sight of a refresh token at the token endpoint, whatever came of it.
type Presentation struct {
	Hash string    `json:"hash"` // of the refresh token: see TokenHash
	At   time.Time `json:"at"`
	// Outcome is empty while the request is being answered, also for good if the process died over it.
	Outcome string `json:"outcome"`
}

// TokenHash is how a refresh token appears in a Presentation.
func TokenHash(refreshToken string) string { return hashOf(refreshToken) }

// Stats returns a copy of the counters.
func (p *Provider) Stats() Stats { return p.stats.copy() }

// Presentations lists every refresh token presented, oldest first, over restarts too.
// It lets a chaos run assert that each was presented at most once.
func (p *Provider) Presentations(ctx context.Context) ([]Presentation, error) {
	return p.store.presentations(ctx)
}

// counters guards Stats. The zero value is ready.
type counters struct {
	mu sync.Mutex
	s  Stats
}

func (c *counters) token(grant, outcome string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.s.Tokens == nil {
		c.s.Tokens = map[string]map[string]int{}
	}
	if c.s.Tokens[grant] == nil {
		c.s.Tokens[grant] = map[string]int{}
	}
	c.s.Tokens[grant][outcome]++
	if outcome == OutcomeReuse {
		c.s.Reuses++
	}
}

func (c *counters) revocation() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.s.Revocations++
}

func (c *counters) copy() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.s
	s.Tokens = make(map[string]map[string]int, len(c.s.Tokens))
	for grant, outcomes := range c.s.Tokens {
		s.Tokens[grant] = maps.Clone(outcomes)
	}
	return s
}

func (s *store) present(ctx context.Context, hash string) (int64, error) {
	result, err := s.db.ExecContext(ctx, `INSERT INTO presentations (hash, at, outcome) VALUES (?, ?, '')`, hash, s.millis())
	if err != nil {
		return 0, fmt.Errorf("record presentation: %w", err)
	}
	return result.LastInsertId()
}

func (s *store) settlePresentation(ctx context.Context, id int64, outcome string) error {
	_, err := s.db.ExecContext(ctx, `UPDATE presentations SET outcome = ? WHERE id = ?`, outcome, id)
	return err
}

func (s *store) presentations(ctx context.Context) ([]Presentation, error) {
	rows, err := s.db.QueryContext(ctx, `SELECT hash, at, outcome FROM presentations ORDER BY id`)
	if err != nil {
		return nil, fmt.Errorf("sandbox: read presentations: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var list []Presentation
	for rows.Next() {
		var one Presentation
		var at int64
		if err := rows.Scan(&one.Hash, &at, &one.Outcome); err != nil {
			return nil, fmt.Errorf("sandbox: read presentations: %w", err)
		}
		one.At = time.UnixMilli(at).UTC()
		list = append(list, one)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("sandbox: read presentations: %w", err)
	}
	return list, nil
}
