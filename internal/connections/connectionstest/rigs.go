package connectionstest

import (
	"context"
	"slices"
	"sync"

	"github.com/acme/connections/activities"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// rigs are those in use; as activities they hand each call to the rig whose vault has the connection.
type rigs struct {
	mu   sync.RWMutex
	list []*member
}

var (
	_ workflows.Activities      = (*rigs)(nil)
	_ workflows.EventActivities = (*rigs)(nil)
)

type member struct {
	vault      vault.Store
	activities *activities.Activities
	handOut    *activities.HandOut
	delivery   *activities.Delivery
	calls      sync.WaitGroup
	// ids are those of connections that were found in the vault before: it may be away since.
	ids sync.Map
}

// has reports whether the connection is of this rig.
func (m *member) has(ctx context.Context, id string) bool {
	if _, ok := m.ids.Load(id); ok {
		return true
	}
	if _, err := m.vault.Connection(ctx, id); err != nil {
		return false
	}
	m.ids.Store(id, nil)
	return true
}

func (r *rigs) add(m *member) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, m)
}

// remove takes m out and waits for the calls that it has under way.
func (r *rigs) remove(m *member) {
	r.mu.Lock()
	r.list = slices.DeleteFunc(r.list, func(other *member) bool { return other == m })
	r.mu.Unlock()
	m.calls.Wait()
}

// of finds the activities of the rig of a connection; the second result must be called when its call has ended.
func (r *rigs) of(ctx context.Context, id string) (*activities.Activities, func(), error) {
	m, err := r.member(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	return m.activities, m.calls.Done, nil
}

// member finds the rig of a connection, and counts a call of it.
func (r *rigs) member(ctx context.Context, id string) (*member, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, m := range r.list {
		if m.has(ctx, id) {
			m.calls.Add(1)
			return m, nil
		}
	}
	return nil, activities.Failure(workflows.ReasonNotFound)
}

// Exchange implements workflows.Activities.
func (r *rigs) Exchange(ctx context.Context, in workflows.ExchangeInput) (workflows.TokenSet, error) {
	a, done, err := r.of(ctx, in.ID)
	if err != nil {
		return workflows.TokenSet{}, err
	}
	defer done()
	return a.Exchange(ctx, in)
}

// ClientCredentials implements workflows.Activities.
func (r *rigs) ClientCredentials(ctx context.Context, in workflows.RenewInput) (workflows.TokenSet, error) {
	a, done, err := r.of(ctx, in.ID)
	if err != nil {
		return workflows.TokenSet{}, err
	}
	defer done()
	return a.ClientCredentials(ctx, in)
}

// Refresh implements workflows.Activities.
func (r *rigs) Refresh(ctx context.Context, in workflows.RenewInput) (workflows.TokenSet, error) {
	a, done, err := r.of(ctx, in.ID)
	if err != nil {
		return workflows.TokenSet{}, err
	}
	defer done()
	return a.Refresh(ctx, in)
}

// Revoke implements workflows.Activities.
func (r *rigs) Revoke(ctx context.Context, in workflows.RevokeInput) (workflows.RevokeResult, error) {
	a, done, err := r.of(ctx, in.ID)
	if err != nil {
		return workflows.RevokeResult{}, err
	}
	defer done()
	return a.Revoke(ctx, in)
}

// Record implements workflows.Activities.
func (r *rigs) Record(ctx context.Context, in workflows.RecordInput) error {
	a, done, err := r.of(ctx, in.ID)
	if err != nil {
		return err
	}
	defer done()
	return a.Record(ctx, in)
}

// Probe implements workflows.Activities. An integration's id belongs to many rigs: the one with the open breaker is meant.
func (r *rigs) Probe(ctx context.Context, in workflows.ProbeInput) (workflows.BreakerState, error) {
	r.mu.RLock()
	list := slices.Clone(r.list)
	r.mu.RUnlock()
	for _, m := range list {
		if b, err := m.vault.Breaker(ctx, in.Integration); err == nil && b.Open {
			m.calls.Add(1)
			defer m.calls.Done()
			return m.activities.Probe(ctx, in)
		}
	}
	return workflows.BreakerState{}, nil
}

// Token is the activity for callers.
func (r *rigs) Token(ctx context.Context, in workflows.TokenRequest) (workflows.AccessToken, error) {
	m, err := r.member(ctx, in.ID)
	if err != nil {
		return workflows.AccessToken{}, err
	}
	defer m.calls.Done()
	return m.handOut.Token(ctx, in)
}

// AwaitToken is the activity for callers.
func (r *rigs) AwaitToken(ctx context.Context, in workflows.TokenRequest) (workflows.AccessToken, error) {
	m, err := r.member(ctx, in.ID)
	if err != nil {
		return workflows.AccessToken{}, err
	}
	defer m.calls.Done()
	return m.handOut.AwaitToken(ctx, in)
}

// ofEvent finds the rig of an event, and counts a call of it.
func (r *rigs) ofEvent(ctx context.Context, id string) (*member, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, m := range r.list {
		if _, err := m.vault.Event(ctx, id); err == nil {
			m.calls.Add(1)
			return m, nil
		}
	}
	return nil, activities.Failure(workflows.ReasonNotFound)
}

// DeliverEvent implements workflows.EventActivities.
func (r *rigs) DeliverEvent(ctx context.Context, in workflows.DeliverEventInput) (workflows.DeliveryResult, error) {
	m, err := r.ofEvent(ctx, in.Event)
	if err != nil {
		return workflows.DeliveryResult{}, err
	}
	defer m.calls.Done()
	return m.delivery.DeliverEvent(ctx, in)
}

// RecordDeadLetter implements workflows.EventActivities.
func (r *rigs) RecordDeadLetter(ctx context.Context, in workflows.DeadLetterInput) error {
	m, err := r.ofEvent(ctx, in.Event)
	if err != nil {
		return err
	}
	defer m.calls.Done()
	return m.delivery.RecordDeadLetter(ctx, in)
}
