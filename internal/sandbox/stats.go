package sandbox

import (
	"maps"
	"sync"
)

// Outcomes of a token request. Any other outcome is the OAuth error code that was answered, such as invalid_grant.
const (
	OutcomeIssued = "issued"
	OutcomeGrace  = "grace" // tokens issued for a spent refresh token: see Behaviour.Grace
	OutcomeReuse  = "reuse" // a spent code or refresh token: answered invalid_grant; see Rotation for the family
	OutcomeFault  = "fault" // an injected answer; the request was not processed
	OutcomeCut    = "cut"   // connection cut before processing
	OutcomeLost   = "lost"  // tokens issued and committed, the answer lost or cut short
)

// Stats are counters since Open.
type Stats struct {
	// Tokens counts token requests by grant type ("other" for unknown ones) and outcome.
	Tokens map[string]map[string]int `json:"tokens"`
	// Reuses counts spent codes and refresh tokens that were presented again, out of any grace.
	Reuses int `json:"reuses"`
	// Revocations counts successful calls of the revocation endpoint.
	Revocations int `json:"revocations"`
}

// Stats returns a copy of the counters.
func (p *Provider) Stats() Stats { return p.stats.copy() }

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
