package vaulttest

import (
	"time"

	"github.com/acme/connections/internal/vault"
)

// endpoint creates one.
func (f *fixture) endpoint(owner string) vault.Endpoint {
	f.t.Helper()
	e := vault.Endpoint{
		ID: f.id("whe"), Owner: owner, URL: "https://hooks.example.com/?é", Types: []string{"connection.degraded"},
		Secrets:   []vault.EndpointSecret{{Sealed: []byte("new\x00")}, {Sealed: []byte("old"), Until: at(time.Hour)}},
		CreatedAt: epoch(),
	}
	f.NoError(f.CreateEndpoint(f.ctx, e))
	return e
}

func (f *fixture) readEndpoint(id string) vault.Endpoint {
	f.t.Helper()
	e, err := f.Endpoint(f.ctx, id)
	f.NoError(err)
	return e
}

func testEndpoints(f *fixture) {
	given := f.endpoint("")
	f.Equal(given, f.readEndpoint(given.ID))
	f.ErrorIs(f.CreateEndpoint(f.ctx, given), vault.ErrExists)

	secrets := []vault.EndpointSecret{{Sealed: []byte("newest")}}
	f.NoError(f.SetEndpointSecrets(f.ctx, given.ID, 0, secrets))
	f.ErrorIs(f.SetEndpointSecrets(f.ctx, given.ID, 0, nil), vault.ErrConflict)
	given.Secrets, given.Version = secrets, 1
	f.Equal(given, f.readEndpoint(given.ID))

	f.NoError(f.DisableEndpoint(f.ctx, given.ID, "webhook_gone", at(time.Minute)))
	f.NoError(f.DisableEndpoint(f.ctx, given.ID, "other", at(time.Hour)))
	given.DisabledAt, given.DisabledReason = at(time.Minute), "webhook_gone"
	f.Equal(given, f.readEndpoint(given.ID))

	bare := vault.Endpoint{ID: f.id("whe"), Types: []string{}}
	f.NoError(f.CreateEndpoint(f.ctx, bare))
	bare.Types = nil
	f.Equal(bare, f.readEndpoint(bare.ID))

	f.NoError(f.DeleteEndpoint(f.ctx, given.ID))
	for _, none := range []string{given.ID, "", "a\x00b", "\xff"} {
		_, err := f.Endpoint(f.ctx, none)
		f.ErrorIs(err, vault.ErrNotFound)
		f.ErrorIs(f.DeleteEndpoint(f.ctx, none), vault.ErrNotFound)
		f.ErrorIs(f.DisableEndpoint(f.ctx, none, "r", epoch()), vault.ErrNotFound)
		f.ErrorIs(f.SetEndpointSecrets(f.ctx, none, 0, nil), vault.ErrNotFound)
	}
}

func testEndpointsListed(f *fixture) {
	platform, acme, initech, off := f.endpoint(""), f.endpoint("acme"), f.endpoint("initech"), f.endpoint("acme")
	f.NoError(f.DisableEndpoint(f.ctx, off.ID, "webhook_gone", epoch()))
	for _, c := range []struct {
		filter vault.EndpointFilter
		want   []string
	}{
		{vault.EndpointFilter{}, []string{platform.ID, acme.ID, initech.ID, off.ID}},
		{vault.EndpointFilter{Enabled: true}, []string{platform.ID, acme.ID, initech.ID}},
		{vault.EndpointFilter{Owners: []string{"", "acme"}, Enabled: true}, []string{platform.ID, acme.ID}},
		{vault.EndpointFilter{Owners: []string{"acme"}}, []string{acme.ID, off.ID}},
		{vault.EndpointFilter{Owners: []string{""}}, []string{platform.ID}},
		{vault.EndpointFilter{Owners: []string{"a\x00b", "\xff"}}, nil},
		{vault.EndpointFilter{After: acme.ID, Limit: 1}, []string{initech.ID}},
	} {
		list, err := f.ListEndpoints(f.ctx, c.filter)
		f.NoError(err)
		var ids []string
		for _, e := range list {
			ids = append(ids, e.ID)
		}
		f.Equal(c.want, ids, c.filter)
	}
}

func testDeadLetters(f *fixture) {
	for range 2 {
		f.became(&eventSeq{}, f.connection("pending"), "active", "")
	}
	events, endpoint, other := f.events(vault.EventFilter{}), f.endpoint(""), f.endpoint("acme")
	letter := func(event vault.Event, endpointID string, after time.Duration) vault.DeadLetter {
		d := vault.DeadLetter{
			EventID: event.ID, EndpointID: endpointID, Attempts: 10, StatusCode: 503, Reason: "webhook_refused", At: at(after),
			Type: event.Type, ConnectionID: event.ConnectionID, Owner: event.Owner,
		}
		f.NoError(f.PutDeadLetter(f.ctx, d))
		return d
	}
	list := func(filter vault.DeadLetterFilter) []vault.DeadLetter {
		f.t.Helper()
		all, err := f.ListDeadLetters(f.ctx, filter)
		f.NoError(err)
		return all
	}
	letter(events[0], endpoint.ID, 0)
	first, second, third := letter(events[0], endpoint.ID, time.Minute), letter(events[1], endpoint.ID, time.Hour), letter(events[1], other.ID, 0)
	f.Equal([]vault.DeadLetter{second, first, third}, list(vault.DeadLetterFilter{Owner: "acme"}))
	f.Equal([]vault.DeadLetter{second}, list(vault.DeadLetterFilter{EndpointID: endpoint.ID, Limit: 1}))
	for _, none := range []string{"none", "a\x00b", "\xff"} {
		f.Empty(list(vault.DeadLetterFilter{Owner: none}))
		f.ErrorIs(f.PutDeadLetter(f.ctx, vault.DeadLetter{EventID: none, EndpointID: endpoint.ID, At: epoch()}), vault.ErrNotFound)
		f.ErrorIs(f.PutDeadLetter(f.ctx, vault.DeadLetter{EventID: events[0].ID, EndpointID: none, At: epoch()}), vault.ErrNotFound)
	}
	f.NoError(f.DeleteDeadLetter(f.ctx, events[0].ID, endpoint.ID))
	f.NoError(f.DeleteDeadLetter(f.ctx, events[0].ID, endpoint.ID))
	f.Equal([]vault.DeadLetter{second, third}, list(vault.DeadLetterFilter{}))
	f.NoError(f.DeleteEndpoint(f.ctx, endpoint.ID))
	f.Equal([]vault.DeadLetter{third}, list(vault.DeadLetterFilter{}))
	_, err := f.DeleteEvents(f.ctx, time.Now())
	f.NoError(err)
	f.Empty(list(vault.DeadLetterFilter{}))
}
