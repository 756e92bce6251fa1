package activities

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"time"

	"github.com/google/uuid"

	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/keyring"
	"github.com/acme/connections/internal/oauth"
	"github.com/acme/connections/internal/renewal"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

const (
	// lease is how long an attempt is taken to be alive: longer than a call can take.
	lease = workflows.HTTPLimit + 5*time.Second
	// landing is how long a detached call goes on trying to store what the provider gave, while the vault is away:
	// first the raw reply, then as long again the token set.
	landing = 2 * time.Minute
	// maxFinished bounds how many attempts of others are finished before one's own.
	maxFinished = 3
	// poll is the pause between looks at another process's attempt.
	poll = 250 * time.Millisecond
)

// spending is a call of this process that is under way. Its result is read after done is closed.
type spending struct {
	kind string
	done chan struct{}
	set  workflows.TokenSet
	err  error
	// secrets is how many the integration has, if the provider rejected one of several: the next may be the right one.
	secrets int
	// integration is the connection's.
	integration string
	// unheard is that of vault.Begun.
	unheard bool
}

// call does the one call at the provider.
type call func(ctx context.Context, g grant, hooks oauth.Hooks) (oauth.Reply, error)

// spend runs one attempt, or joins the one that is under way, or takes over what another one left behind. forced says
// that a caller waits for the outcome.
func (a *Activities) spend(ctx context.Context, start vault.AttemptStart, forced bool, do call) (workflows.TokenSet, error) {
	start.Lease = lease
	finished, rejected := 0, 0
	// another reports whether a call ended with a rejected secret, and there is one that is yet to be tried.
	another := func(s *spending) bool {
		if ctx.Err() != nil || s.secrets == 0 {
			return false
		}
		rejected++
		return rejected < s.secrets
	}
	for {
		if s := a.joined(start.ConnectionID); s != nil {
			set, err := s.wait(ctx)
			switch {
			case start.RequestID == "" && err == nil && set.Generation > start.Generation,
				start.RequestID == "" && err != nil && s.kind == start.Kind && !another(s):
				// A renewal shares the outcome of the one under way, good or bad; that of an exchange only if it is good.
				return set, a.judged(ctx, s, start.ConnectionID, err)
			case ctx.Err() != nil:
				return workflows.TokenSet{}, failure(workflows.ReasonAttemptInFlight, 0)
			}
		}
		start.ID = uuid.NewString()
		// The store counts the lease from a moment after this one: the call is over before the lease is, however long
		// what comes in between may take.
		sendBy := time.Now().Add(workflows.HTTPLimit)
		begun, err := a.vault.BeginAttempt(ctx, start)
		if errors.Is(err, vault.ErrConflict) {
			return workflows.TokenSet{}, failure(workflows.ReasonDisconnected, 0)
		}
		if err != nil {
			return workflows.TokenSet{}, vaultFailure(err)
		}
		switch begun.Outcome {
		case vault.BeginNewer:
			return a.tokenSet(ctx, begun.Connection), nil
		case vault.BeginStarted:
			s := a.detach(ctx, begun, sendBy, do)
			set, err := s.wait(ctx)
			if another(s) {
				continue
			}
			return set, a.judged(ctx, s, start.ConnectionID, err)
		case vault.BeginReplied:
			set, err := a.detachFinish(ctx, begun).wait(ctx)
			if begun.Attempt.RequestID == start.RequestID || ctx.Err() != nil {
				return set, err
			}
			// It was another one's: a refresh that was left behind is finished before a code is exchanged.
			if finished++; finished > maxFinished {
				if err == nil {
					err = failure(workflows.ReasonAttemptInFlight, 0)
				}
				return workflows.TokenSet{}, err
			}
		case vault.BeginUnread:
			set := a.tokenSet(ctx, begun.Connection)
			set.Unread = true
			return set, nil
		case vault.BeginSuspended:
			return workflows.TokenSet{}, a.suspended(ctx, begun, forced)
		case vault.BeginInDoubt:
			if start.RequestID != "" {
				return workflows.TokenSet{}, failure(workflows.ReasonExchangeLost, 0)
			}
			return workflows.TokenSet{}, failure(workflows.ReasonReplyLost, 0)
		case vault.BeginSpent:
			return a.spent(ctx, begun)
		case vault.BeginInFlight:
			// Another process has it: look again, until this activity's own time is up.
			if !sleep(ctx, poll) {
				return workflows.TokenSet{}, failure(workflows.ReasonAttemptInFlight, 0)
			}
		default:
			return workflows.TokenSet{}, failure(workflows.ReasonInternal, 0)
		}
	}
}

// spent answers for an exchange that has ended before: its result must not be asked for twice.
func (a *Activities) spent(ctx context.Context, begun vault.Begun) (workflows.TokenSet, error) {
	if begun.Attempt.State == vault.AttemptDone {
		return a.tokenSet(ctx, begun.Connection), nil
	}
	reason := workflows.Reason(begun.Attempt.Reason)
	if !reason.Known() || reason.Class() == workflows.ClassTransient {
		reason = workflows.ReasonCodeRejected
	}
	return workflows.TokenSet{}, failure(reason, 0)
}

// detach makes the call in a goroutine of its own, with a context that outlives the activity.
func (a *Activities) detach(ctx context.Context, begun vault.Begun, sendBy time.Time, do call) *spending {
	return a.goOn(ctx, begun, func(ctx context.Context, s *spending) (workflows.TokenSet, error) {
		if status := workflows.ConnectionStatus(begun.Connection.Status); status == workflows.StatusDisconnecting || status.Ended() {
			return a.lose(ctx, begun, failure(workflows.ReasonDisconnected, 0))
		}
		g, err := a.grantOf(ctx, begun)
		if err != nil {
			return a.lose(ctx, begun, err)
		}
		if wait := a.limits.turn(ctx, g.connector, begun.Attempt.Kind); wait > 0 {
			return a.lose(ctx, begun, failure(workflows.ReasonQueued, wait))
		}
		callCtx, cancel := context.WithDeadline(ctx, sendBy)
		defer cancel()
		reply, err := do(callCtx, g, oauth.Hooks{
			BeforeSend: func(ctx context.Context) error { return a.vault.MarkSent(ctx, begun.Attempt.ID) },
			OnReply:    func(ctx context.Context, raw oauth.Raw) error { return a.keep(ctx, begun.Attempt.ID, raw) },
		})
		if err != nil {
			if a.secrets.rejected(g, err) {
				s.secrets = len(g.integration.Secrets)
				err = &rejectedSecretError{err}
			}
			return a.lose(ctx, begun, err)
		}
		set, err := a.accept(ctx, g, begun.Attempt, reply)
		if err == nil && begun.Breaker.IntegrationID != "" {
			a.breakers.Succeeded(ctx, begun.Breaker.IntegrationID)
		}
		return set, err
	})
}

// rejectedSecretError is a rejection of the client after which its next secret is tried: the provider took nothing.
type rejectedSecretError struct{ error }

func (e *rejectedSecretError) Unwrap() error { return e.error }

// detachFinish finishes an attempt that has a stored reply, from that reply.
func (a *Activities) detachFinish(ctx context.Context, begun vault.Begun) *spending {
	return a.goOn(ctx, begun, func(ctx context.Context, _ *spending) (workflows.TokenSet, error) {
		g, err := a.grantOf(ctx, begun)
		if err != nil {
			return workflows.TokenSet{}, err
		}
		content, err := a.keys.Vault.Open(keyring.Reply(begun.Attempt.ID), begun.Attempt.Reply)
		if err != nil {
			return workflows.TokenSet{}, failure(workflows.ReasonKeyMissing, 0)
		}
		var raw oauth.Raw
		if err := json.Unmarshal(content, &raw); err != nil {
			return a.lose(ctx, begun, &oauth.Failure{Kind: oauth.Unreadable, Phase: oauth.Phase(begun.Attempt.Kind), Sent: true})
		}
		reply, err := oauth.Parse(g.connector, oauth.Phase(begun.Attempt.Kind), raw)
		if err != nil {
			return a.lose(ctx, begun, err)
		}
		return a.accept(ctx, g, begun.Attempt, reply)
	})
}

// goOn runs f detached, and makes it known to whoever asks for the same connection in this process.
func (a *Activities) goOn(ctx context.Context, begun vault.Begun, f func(context.Context, *spending) (workflows.TokenSet, error)) *spending {
	id := begun.Attempt.ConnectionID
	s := &spending{
		kind: begun.Attempt.Kind, integration: begun.Connection.IntegrationID, unheard: begun.Unheard, done: make(chan struct{}),
	}
	a.mu.Lock()
	a.underWay[id] = s
	a.mu.Unlock()
	detached, cancel := context.WithTimeout(context.WithoutCancel(ctx), workflows.HTTPLimit+2*landing)
	a.calls.Go(func() {
		defer cancel()
		defer close(s.done)
		defer func() {
			a.mu.Lock()
			if a.underWay[id] == s {
				delete(a.underWay, id)
			}
			a.mu.Unlock()
		}()
		defer func() {
			if p := recover(); p != nil {
				a.log.Error("a call panicked", slog.String("connection", id), slog.String("attempt", begun.Attempt.ID))
				s.err = failure(workflows.ReasonInternal, 0)
			}
		}()
		s.set, s.err = f(detached, s)
	})
	return s
}

// joined returns the call that this process has under way for the connection, if any.
func (a *Activities) joined(connectionID string) *spending {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.underWay[connectionID]
}

// wait returns the result, or says that the call goes on without the caller.
func (s *spending) wait(ctx context.Context) (workflows.TokenSet, error) {
	select {
	case <-s.done:
		return s.set, s.err
	case <-ctx.Done():
		return workflows.TokenSet{}, failure(workflows.ReasonAttemptInFlight, 0)
	}
}

// keep seals the raw reply and stores it by attempt, before anyone reads it.
func (a *Activities) keep(ctx context.Context, attemptID string, raw oauth.Raw) error {
	content, err := json.Marshal(raw)
	if err != nil {
		return err
	}
	sealed, err := a.keys.Vault.Seal(keyring.Reply(attemptID), content)
	if err != nil {
		return err
	}
	// Should the vault stay away, the reply in memory is still worth reading: landing it is tried as long again.
	ctx, cancel := context.WithTimeout(ctx, landing)
	defer cancel()
	if err := persist(ctx, func(ctx context.Context) error { return a.vault.SaveReply(ctx, attemptID, sealed) }); err != nil {
		a.log.Error("a reply could not be stored before it was read", slog.String("attempt", attemptID))
	}
	return nil
}

// land seals the token set and stores it as the next generation.
func (a *Activities) land(ctx context.Context, g grant, attempt vault.Attempt, reply oauth.Reply) (workflows.TokenSet, error) {
	for {
		reply, err := a.ofAccount(ctx, g, attempt, reply)
		if err != nil {
			return workflows.TokenSet{}, err
		}
		commit, err := a.sealed(g, attempt, reply)
		if err != nil {
			return workflows.TokenSet{}, err
		}
		var generation int64
		err = persist(ctx, func(ctx context.Context) error {
			var err error
			generation, err = a.vault.CommitTokens(ctx, commit)
			return err
		})
		if err == nil {
			c := g.connection
			c.Generation, c.AccessToken, c.RefreshToken = generation, commit.AccessToken, commit.RefreshToken
			c.IssuedAt, c.ExpiresAt, c.TokenType, c.GrantedScopes = commit.IssuedAt, commit.ExpiresAt, commit.TokenType, commit.GrantedScopes
			if !commit.ConsentedAt.IsZero() {
				c.ConsentedAt = commit.ConsentedAt
			}
			// The caller is told what the row says, and that is the two merged.
			c.Metadata = make(map[string]string, len(g.connection.Metadata)+len(commit.Metadata))
			maps.Copy(c.Metadata, g.connection.Metadata)
			maps.Copy(c.Metadata, commit.Metadata)
			return a.tokenSet(ctx, c), nil
		}
		if !errors.Is(err, vault.ErrConflict) {
			return workflows.TokenSet{}, vaultFailure(err)
		}
		now, err := a.vault.Connection(ctx, attempt.ConnectionID)
		switch {
		case err != nil:
			return workflows.TokenSet{}, vaultFailure(err)
		case now.Generation == g.connection.Generation:
			return workflows.TokenSet{}, failure(workflows.ReasonDisconnected, 0)
		case attempt.Kind != string(oauth.Exchange):
			return a.tokenSet(ctx, now), nil
		}
		switch stored, err := a.vault.Attempt(ctx, attempt.ID); {
		case err != nil:
			return workflows.TokenSet{}, vaultFailure(err)
		case stored.State == vault.AttemptDone:
			// Someone else has landed this very reply. Since then its refresh token may have been spent.
			return a.tokenSet(ctx, now), nil
		}
		// A new consent takes the next generation, whatever it is.
		g.connection = now
	}
}

// tokenSet is what the workflow may know of a row's tokens.
func (a *Activities) tokenSet(ctx context.Context, c vault.Connection) workflows.TokenSet {
	conn, err := a.catalogue.Get(ctx, c.Connector)
	if err != nil {
		// What is in the row is the truth all the same.
		conn = connector.Connector{}
	}
	return renewal.TokenSet(conn, c)
}

// sealed builds the commit of a reply: every secret is sealed for the generation that it becomes.
func (a *Activities) sealed(g grant, attempt vault.Attempt, reply oauth.Reply) (vault.TokenCommit, error) {
	next := g.connection.Generation + 1
	refresh := reply.RefreshToken
	if refresh.Empty() && attempt.Kind == string(oauth.Refresh) {
		var err error
		if refresh, err = a.refreshToken(g.connection); err != nil {
			return vault.TokenCommit{}, err
		}
	}
	access, err := a.keys.Access.SealString(keyring.AccessToken(g.connection.ID, next), reply.AccessToken)
	if err != nil {
		return vault.TokenCommit{}, failure(workflows.ReasonInternal, 0)
	}
	sealedRefresh, err := a.keys.Vault.SealString(keyring.RefreshToken(g.connection.ID, next), refresh)
	if err != nil {
		return vault.TokenCommit{}, failure(workflows.ReasonInternal, 0)
	}
	scopes := reply.Scopes
	if scopes == nil {
		scopes = g.connection.GrantedScopes
	}
	if scopes == nil {
		scopes = g.connection.RequestedScopes
	}
	var consentedAt time.Time
	if attempt.Kind == string(oauth.Exchange) {
		consentedAt = reply.IssuedAt
	}
	return vault.TokenCommit{
		ConsentedAt: consentedAt, ConnectionID: g.connection.ID, AttemptID: attempt.ID, FromGeneration: g.connection.Generation,
		AccessToken: access, RefreshToken: sealedRefresh, TokenType: reply.TokenType,
		IssuedAt: reply.IssuedAt, ExpiresAt: reply.ExpiresAt, GrantedScopes: scopes, Metadata: reply.Metadata, Inputs: g.request.Inputs,
		RequestedScopes: g.request.Scopes,
	}, nil
}

// lose ends an attempt that brought no token, and says why.
func (a *Activities) lose(ctx context.Context, begun vault.Begun, err error) (workflows.TokenSet, error) {
	reason, state, retryAfter := a.verdict(ctx, begun, err)
	log := a.log.With(slog.String("connection", begun.Connection.ID), slog.String("attempt", begun.Attempt.ID))
	failErr := persist(ctx, func(ctx context.Context) error {
		_, err := a.vault.FailAttempt(ctx, begun.Attempt.ID, state, string(reason))
		return err
	})
	switch {
	case errors.Is(failErr, vault.ErrConflict):
		// It was taken from us before anything was sent, or someone finished it from its reply.
		reason = workflows.ReasonSuperseded
	case failErr != nil:
		log.Error("an attempt's failure could not be recorded", slog.String("reason", string(reason)))
	}
	log.Warn("an attempt failed", slog.String("kind", begun.Attempt.Kind), slog.String("reason", string(reason)))
	if renewal := begun.Attempt.RequestID == ""; renewal && (reason == workflows.ReasonGrantRejected || reason == workflows.ReasonSuperseded) {
		// Another cluster may have refreshed meanwhile: then the refusal was for a token that nobody needs.
		if now, err := a.vault.Connection(ctx, begun.Connection.ID); err == nil && now.Generation > begun.Connection.Generation {
			return a.tokenSet(ctx, now), nil
		}
	}
	return workflows.TokenSet{}, failure(reason, retryAfter)
}

// persist tries f until it succeeds, or fails for a reason of the vault's contract, or ctx ends.
func persist(ctx context.Context, f func(context.Context) error) error {
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		err := f(ctx)
		if err == nil || isVerdict(err) || !sleep(ctx, wait) {
			return err
		}
	}
}

// sleep waits, and reports whether it was let.
func sleep(ctx context.Context, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
