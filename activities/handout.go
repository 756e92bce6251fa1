package activities

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"

	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

const (
	// parkAttempt is how long one attempt of AwaitToken waits before it gives its slot to another.
	parkAttempt = time.Minute
	// parkPause is between two attempts of AwaitToken; nobody looks at the row meanwhile.
	parkPause = time.Second
	// busyPause is between two attempts while there are more callers than may wait at once.
	busyPause = 5 * time.Second
	// noteLimit bounds the writes that count those who wait.
	noteLimit = 5 * time.Second
	// maxWaiting leaves slots of the worker to the refreshes that are waited for.
	maxWaiting = 100
	// lastWord is how long before its time limit an attempt of AwaitToken ends by itself.
	lastWord = time.Second
	// rowLimit bounds one read of a row, so that there is time left to ask the workflow instead.
	rowLimit = 3 * time.Second
	// beatInterval is that of heartbeats; the SDK passes on what the heartbeat timeout needs.
	beatInterval = 2 * time.Second
)

// TokenRows is what handing out needs of the vault.
type TokenRows interface {
	// AccessRow is that of vault.Access.
	AccessRow(ctx context.Context, id string) (vault.AccessRow, error)
}

// HandOutConfig is what a [HandOut] needs. Rows and Refresh are required.
type HandOutConfig struct {
	Rows TokenRows
	// Refresh asks the workflow of a connection for a token newer than the generation, and waits for it; the failures are
	// those that were counted since. The reason is empty if there is one.
	Refresh func(ctx context.Context, id string, generation, failures int64) (workflows.AccessToken, workflows.Reason)
	// Changes tells those who wait of changes to rows; if nil, rows are polled.
	Changes *Changes
	// Waiters counts the calls that are parked for a person; nil for not at all.
	Waiters vault.Waiters
	// Query reads what Rows would have said from the connection's open workflow, while Rows do not answer; nil for not
	// at all.
	Query func(ctx context.Context, id string) (vault.AccessRow, error)
	// HandedOut notes a hand-out for the audit, and for policy adaptive, without waiting; nil for not at all.
	HandedOut func(vault.Handout)
	// Now is time.Now if nil.
	Now func() time.Time
	// ParkAttempt is how long one attempt of AwaitToken waits, and MaxWaiting how many calls may wait for a person or a
	// refresh at once; a minute and 100 if zero.
	ParkAttempt time.Duration
	MaxWaiting  int
}

// HandOut is the activities and the Nexus service for callers: it hands out access tokens, sealed. It needs no key. It
// is safe for concurrent use.
type HandOut struct {
	c       HandOutConfig
	waiting chan struct{}
}

// NewHandOut makes one.
func NewHandOut(c HandOutConfig) *HandOut {
	if c.Changes == nil {
		c.Changes = &Changes{}
	}
	if c.HandedOut == nil {
		c.HandedOut = func(vault.Handout) {}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.ParkAttempt == 0 {
		c.ParkAttempt = parkAttempt
	}
	if c.MaxWaiting == 0 {
		c.MaxWaiting = maxWaiting
	}
	return &HandOut{c: c, waiting: make(chan struct{}, c.MaxWaiting)}
}

// Register registers the activities under their names in the contract.
func (h *HandOut) Register(registry worker.ActivityRegistry) {
	registry.RegisterActivityWithOptions(h.Token, activity.RegisterOptions{Name: workflows.ActivityToken})
	registry.RegisterActivityWithOptions(h.AwaitToken, activity.RegisterOptions{Name: workflows.ActivityAwaitToken})
}

// Token implements activity "Token": from the vault, or, if the token there is too old, by a refresh. Should the refresh
// fail while the token in hand still lives, that is the answer. While the vault is away, the connection's workflow
// answers with the token that it carries, for as long as that lives.
func (h *HandOut) Token(ctx context.Context, in workflows.TokenRequest) (workflows.AccessToken, error) {
	token, err := h.token(ctx, activityAsker(ctx), in, h.refreshInTurn, false)
	if err != nil {
		return workflows.AccessToken{}, err.asFailure(0)
	}
	return token, nil
}

// AwaitToken implements activity "AwaitToken": Token, but where a person is needed it waits for the row to change. An
// attempt ends after a minute, or when the worker stops, with an error that is retried at once.
func (h *HandOut) AwaitToken(ctx context.Context, in workflows.TokenRequest) (workflows.AccessToken, error) {
	leave, ok := h.enter()
	if !ok {
		token, err := h.token(ctx, activityAsker(ctx), in, queued, true)
		if err != nil && err.reason == workflows.ReasonQueued {
			return workflows.AccessToken{}, err.asFailure(busyPause)
		}
		return h.settle(ctx, in.ID, token, err, busyPause, false)
	}
	defer leave()
	stopBeating := beat(ctx)
	defer stopBeating()
	attempt, cancel := context.WithTimeout(ctx, h.attemptLimit(ctx))
	defer cancel()
	go func() {
		select {
		case <-activity.GetWorkerStopChannel(ctx):
			cancel()
		case <-attempt.Done():
		}
	}()
	by := activityAsker(ctx)
	changed, unsubscribe := h.c.Changes.subscribe(in.ID)
	defer unsubscribe()
	for noted := false; ; {
		token, err := h.token(ctx, by, in, h.c.Refresh, true)
		if err == nil || !err.kind().NeedsPerson() || attempt.Err() != nil {
			return h.settle(ctx, in.ID, token, err, parkPause, noted)
		}
		if !noted {
			h.note(ctx, in.ID)
			noted = true
		}
		awaitChange(attempt, changed, h.c.Changes.interval())
	}
}

// settle ends an attempt of AwaitToken. Who goes on waiting in the next one stays counted; noted says that the caller is.
func (h *HandOut) settle(ctx context.Context, id string, token workflows.AccessToken, err *refusedError, pause time.Duration, noted bool) (workflows.AccessToken, error) {
	if err != nil && err.kind().NeedsPerson() && ctx.Err() == nil {
		if !noted {
			h.note(ctx, id)
		}
		return workflows.AccessToken{}, err.asPause(pause)
	}
	if noted || activity.GetInfo(ctx).Attempt > 1 {
		h.unnote(ctx, id)
	}
	if err != nil {
		return workflows.AccessToken{}, err.asFailure(0)
	}
	return token, nil
}

// note counts the caller among those who wait, until well into its next attempt. That it cannot be counted is no reason
// not to wait.
func (h *HandOut) note(ctx context.Context, id string) {
	if h.c.Waiters == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, noteLimit)
	defer cancel()
	_ = h.c.Waiters.PutWaiter(ctx, id, waiterKey(ctx), h.c.ParkAttempt+time.Minute)
}

// unnote takes that back, also for a caller that was cancelled.
func (h *HandOut) unnote(ctx context.Context, id string) {
	if h.c.Waiters == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteLimit)
	defer cancel()
	_ = h.c.Waiters.DeleteWaiter(ctx, id, waiterKey(ctx))
}

// waiterKey tells callers apart: it is the same in every attempt.
func waiterKey(ctx context.Context) string {
	info := activity.GetInfo(ctx)
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q %q", info.Namespace, info.WorkflowExecution.ID, info.WorkflowExecution.RunID, info.ActivityID))
	return hex.EncodeToString(sum[:16])
}

// queued is the refresh of callers for whom there is no room to wait.
func queued(context.Context, string, int64, int64) (workflows.AccessToken, workflows.Reason) {
	return workflows.AccessToken{}, workflows.ReasonQueued
}

// attemptLimit ends an attempt of AwaitToken before its caller's patience does, so that the caller learns what it waited
// for.
func (h *HandOut) attemptLimit(ctx context.Context) time.Duration {
	deadline, ok := ctx.Deadline()
	if !ok {
		return h.c.ParkAttempt
	}
	return max(0, min(h.c.ParkAttempt, time.Until(deadline)-lastWord))
}

// refresh asks for a newer token; the reason is empty if there is one.
type refresh = func(ctx context.Context, id string, generation, failures int64) (workflows.AccessToken, workflows.Reason)

// token hands out. A waiting caller gets no token that lives for less than asked where a person can bring a better one.
func (h *HandOut) token(ctx context.Context, by asker, in workflows.TokenRequest, renew refresh, waits bool) (workflows.AccessToken, *refusedError) {
	row, refused := rowOr(in.ID, func() (vault.AccessRow, error) {
		limited, cancel := context.WithTimeout(ctx, rowLimit)
		defer cancel()
		return h.c.Rows.AccessRow(limited, in.ID)
	})
	switch {
	case refused != nil && refused.reason == workflows.ReasonVaultUnavailable && h.c.Query != nil:
		return h.tokenWithoutRows(ctx, by, in, waits)
	case refused != nil:
		return workflows.AccessToken{}, refused
	case !by.mayHave(in.Owner, row.Owner):
		return workflows.AccessToken{}, &refusedError{reason: workflows.ReasonNotFound}
	}
	status, reason := workflows.ConnectionStatus(row.Status), workflows.Reason(row.Reason)
	if !status.HandsOut() {
		return workflows.AccessToken{}, &refusedError{status: status, reason: reasonOr(reason, plainReason(status))}
	}
	lives, longEnough := h.lives(row, in)
	if longEnough {
		return h.give(by, in.ID, tokenOf(row)), nil
	}
	if status == workflows.StatusNeedsReauth {
		// Nothing but a person helps: a refresh would be refused.
		if lives && !waits {
			return h.give(by, in.ID, tokenOf(row)), nil
		}
		return workflows.AccessToken{}, &refusedError{status: status, reason: reasonOr(reason, workflows.ReasonGrantRejected)}
	}
	token, why := renew(ctx, in.ID, row.Generation, row.Failures)
	switch {
	case why == workflows.ReasonNone && token.Sealed != nil:
		return h.give(by, in.ID, token), nil
	case why == workflows.ReasonNone:
		// The status changed while the refresh was awaited.
		return workflows.AccessToken{}, &refusedError{status: token.Status, reason: reasonOr(token.Reason, plainReason(token.Status))}
	case lives && stillGiven(why, waits):
		return h.give(by, in.ID, tokenOf(row)), nil
	default:
		return workflows.AccessToken{}, &refusedError{reason: why}
	}
}

// lives reports whether the row's token can be used, and whether it does so for as long as is asked.
func (h *HandOut) lives(row vault.AccessRow, in workflows.TokenRequest) (lives, longEnough bool) {
	now := h.c.Now()
	lives = row.AccessToken != nil && livesAt(row, now)
	return lives, lives && livesAt(row, now.Add(time.Duration(in.MinLifeSeconds)*time.Second))
}

// stillGiven reports whether a token that lives is handed out although it could not be renewed.
func stillGiven(why workflows.Reason, waits bool) bool {
	switch workflows.RefusalOf("", why) {
	case workflows.Paused, workflows.Disconnected:
		return false
	case workflows.NeedsReauthorization:
		return !waits
	default:
		return true
	}
}

// rowOr reads a row of a connection, or says why there is none.
func rowOr[R any](id string, read func() (R, error)) (row R, refused *refusedError) {
	if !workflows.ValidID(id) {
		return row, &refusedError{reason: workflows.ReasonInvalid}
	}
	row, err := read()
	switch {
	case errors.Is(err, vault.ErrNotFound):
		return row, &refusedError{reason: workflows.ReasonNotFound}
	case err != nil:
		return row, &refusedError{reason: workflows.ReasonVaultUnavailable}
	}
	return row, nil
}

func (h *HandOut) give(by asker, id string, token workflows.AccessToken) workflows.AccessToken {
	h.c.HandedOut(by.handout(id, h.c.Now()))
	return token
}

// refreshInTurn is Refresh for callers that hold no place among those who wait.
func (h *HandOut) refreshInTurn(ctx context.Context, id string, generation, failures int64) (workflows.AccessToken, workflows.Reason) {
	leave, ok := h.enter()
	if !ok {
		return workflows.AccessToken{}, workflows.ReasonQueued
	}
	defer leave()
	return h.c.Refresh(ctx, id, generation, failures)
}

func (h *HandOut) enter() (leave func(), ok bool) {
	select {
	case h.waiting <- struct{}{}:
		return func() { <-h.waiting }, true
	default:
		return nil, false
	}
}

// refusedError is why there is no token.
type refusedError struct {
	status workflows.ConnectionStatus
	reason workflows.Reason
}

func (e *refusedError) kind() workflows.Refusal { return workflows.RefusalOf(e.status, e.reason) }

// asFailure is the error for Temporal. It is retried if waiting helps, whatever the class of the reason is: an app that
// is misconfigured is mended without the caller.
func (e *refusedError) asFailure(retryAfter time.Duration) error {
	return e.failure(retryAfter, e.kind() != workflows.TemporarilyUnavailable)
}

// asPause is the end of an attempt that goes on in the next one.
func (e *refusedError) asPause(retryAfter time.Duration) error { return e.failure(retryAfter, false) }

func (e *refusedError) failure(retryAfter time.Duration, final bool) error {
	return temporal.NewApplicationErrorWithOptions(e.reason.Sentence(), string(e.reason), temporal.ApplicationErrorOptions{
		NonRetryable:   final,
		NextRetryDelay: retryAfter,
		Details:        []any{workflows.FailureDetails{Status: e.status}},
		Category:       temporal.ApplicationErrorCategoryBenign,
	})
}

// plainReason stands in for the reason of a status whose row names none.
func plainReason(status workflows.ConnectionStatus) workflows.Reason {
	switch status {
	case workflows.StatusPending:
		return workflows.ReasonNotReady
	case workflows.StatusPaused:
		return workflows.ReasonPaused
	case workflows.StatusExpired:
		return workflows.ReasonConsentExpired
	default:
		return workflows.ReasonDisconnected
	}
}

func reasonOr(reason, otherwise workflows.Reason) workflows.Reason {
	if reason.Known() && reason != workflows.ReasonNone {
		return reason
	}
	return otherwise
}

func livesAt(row vault.AccessRow, t time.Time) bool {
	return row.ExpiresAt.IsZero() || row.ExpiresAt.After(t)
}

func tokenOf(row vault.AccessRow) workflows.AccessToken {
	return workflows.AccessToken{
		Status: workflows.ConnectionStatus(row.Status), Reason: workflows.Reason(row.Reason), Generation: row.Generation,
		IssuedAt: optional(row.IssuedAt), ExpiresAt: optional(row.ExpiresAt), Scopes: listed(row.GrantedScopes), Type: row.TokenType,
		Sealed: row.AccessToken,
	}
}

func listed(scopes []string) []string {
	if scopes == nil {
		return []string{}
	}
	return scopes
}

func optional(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	utc := t.UTC()
	return &utc
}

// beat sends heartbeats until it is stopped: a cancellation comes back with one.
func beat(ctx context.Context) (stop func()) {
	beating, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(beatInterval)
		defer ticker.Stop()
		for {
			activity.RecordHeartbeat(ctx)
			select {
			case <-ticker.C:
			case <-beating.Done():
				return
			}
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

// awaitChange returns once the row may have changed, or ctx has ended.
func awaitChange(ctx context.Context, changed <-chan struct{}, atLatest time.Duration) {
	timer := time.NewTimer(atLatest)
	defer timer.Stop()
	select {
	case <-changed:
	case <-timer.C:
	case <-ctx.Done():
	}
}
