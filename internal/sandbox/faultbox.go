package sandbox

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
)

// SetFaults replaces the faults of the token endpoint; none, or Faults{}, ends them, as does the end of the server.
// Of several, each request meets the first that affects it.
func (p *Provider) SetFaults(faults ...Faults) error {
	for i, f := range faults {
		if err := f.check(); err != nil {
			if len(faults) > 1 {
				return fmt.Errorf("%w (in number %d)", err, i+1)
			}
			return err
		}
	}
	p.faults.set(faults)
	return nil
}

// Faults returns what is left of the faults: Skip and Count have been counted down, and what is over is gone.
func (p *Provider) Faults() []Faults { return p.faults.left() }

// faultBox holds the faults in force and counts them down.
type faultBox struct {
	mu    sync.Mutex
	armed []armedFaults
}

type armedFaults struct {
	Faults
	draw *rand.Rand // nil without a probability
}

func (b *faultBox) set(faults []Faults) {
	armed := make([]armedFaults, 0, len(faults))
	for _, f := range faults {
		if f == (Faults{}) {
			continue
		}
		a := armedFaults{Faults: f}
		if f.Probability > 0 {
			a.draw = rand.New(rand.NewPCG(f.Seed, 0))
		}
		armed = append(armed, a)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.armed = armed
}

func (b *faultBox) left() []Faults {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := make([]Faults, len(b.armed))
	for i, a := range b.armed {
		list[i] = a.Faults
	}
	return list
}

// take returns the faults for one request of this grant and caller.
func (b *faultBox) take(grant string, c caller) Faults {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.armed {
		a := &b.armed[i]
		if !a.affects(grant, c) {
			continue
		}
		f := a.Faults
		if a.Count > 0 {
			if a.Count--; a.Count == 0 {
				b.armed = slices.Delete(b.armed, i, i+1)
			}
		}
		return f
	}
	return Faults{}
}

// affects reports whether a request is one of those meant, past the skipped ones, and drawn.
func (a *armedFaults) affects(grant string, c caller) bool {
	switch {
	case a.Grant != "" && a.Grant != grant:
	case a.User != "" && a.User != c.username:
	case a.Family != "" && a.Family != c.family:
	case a.Skip > 0:
		a.Skip--
	case a.draw != nil && a.draw.Float64() >= a.Probability:
	default:
		return true
	}
	return false
}
