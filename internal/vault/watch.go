package vault

import "context"

// Watcher tells every process on a vault that a connection has changed, so that what it keeps in memory is not older
// than about a second.
type Watcher interface {
	// Watch reports changes until ctx ends or the vault is closed, and then returns nil; the calls that it makes have
	// all returned before it does. It goes on by itself through every outage of the engine.
	//
	// All calls on one vault share what the engine needs for it. In Postgres that is one database connection, beside
	// the pool, while there is at least one call.
	Watch(ctx context.Context, w Watch) error
}

// Watch is what a caller of [Watcher] wants to hear. A nil function is passed over. The functions are called one at a
// time, and keep the next change, and all other watchers, waiting: they must return at once and must not call the vault.
//
// Ready and Lost take turns; Ready is the first, and Lost the last, when Watch ends. Before Ready, and between Lost and the
// next Ready, changes may go by unreported, so whatever was read from the vault before Ready was called may be out of
// date. A read that was under way when its connection was reported may have found the row as it was before.
type Watch struct {
	// Changed: a connection's status or reason changed, it has a new token set, its tokens were erased, or its row was
	// deleted. A new row is not reported: keep no "not found". One change may be reported more than once, and several
	// of the same connection as one.
	//
	// All of them are announced by the transaction that makes them, but for one: the token set of a routine refresh,
	// whose predecessor is no secret that must be forgotten and that most providers let live to its expiry. Engines may
	// announce that after its commit, so that a refresh does not queue for the announcement's lock; a process that dies
	// in between leaves it unannounced. What was consented to (TokenCommit.ConsentedAt) is not routine.
	Changed func(connectionID string)
	// Lost: changes may have been missed from here on, or since shortly before. Postgres: at once when the connection
	// breaks, and within a second when it falls silent.
	Lost func()
	// Ready: every change that is committed from here on will be reported.
	Ready func()
}

// Normalize returns the watch with functions that do nothing in place of nil ones.
func (w Watch) Normalize() Watch {
	if w.Changed == nil {
		w.Changed = func(string) {}
	}
	if w.Lost == nil {
		w.Lost = func() {}
	}
	if w.Ready == nil {
		w.Ready = func() {}
	}
	return w
}
