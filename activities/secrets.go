package activities

import (
	"errors"
	"sync"
	"time"

	"github.com/acme/connections/internal/oauth"
	"github.com/acme/connections/internal/vault"
)

// secretChoice remembers, for each integration, which of its secrets the provider takes: while a secret is rotated the
// newest may not be in force yet. Providers check the client before anything else, so that a rejected secret spends
// nothing. The zero value is ready.
type secretChoice struct {
	mu     sync.Mutex
	chosen map[string]chosen
}

type chosen struct {
	// version is the integration's: a change of its secrets begins anew with the first.
	version time.Time
	index   int
}

// of is the index of the secret to use.
func (s *secretChoice) of(i vault.Integration) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.chosen[i.ID]; c.version.Equal(i.UpdatedAt) && c.index < len(i.Secrets) {
		return c.index
	}
	return 0
}

// rejected moves on to the next secret if err says that the provider rejects the one of g, and reports whether there is
// another.
func (s *secretChoice) rejected(g grant, err error) bool {
	var f *oauth.Failure
	if !errors.As(err, &f) || f.Kind != oauth.InvalidClient || len(g.integration.Secrets) < 2 {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.chosen == nil {
		s.chosen = make(map[string]chosen)
	}
	c := s.chosen[g.integration.ID]
	if !c.version.Equal(g.integration.UpdatedAt) {
		c = chosen{version: g.integration.UpdatedAt}
	}
	if c.index == g.choice {
		// Nobody else has moved on yet.
		c.index = (c.index + 1) % len(g.integration.Secrets)
	}
	s.chosen[g.integration.ID] = c
	return true
}
