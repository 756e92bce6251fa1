package oauth_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/oauth"
	"github.com/acme/connections/internal/secret"
)

var errHook = errors.New("hook")

func TestHooks_BeforeSendStopsTheCall(t *testing.T) {
	t.Parallel()
	for phase, call := range calls() {
		t.Run(string(phase), func(t *testing.T) {
			t.Parallel()
			p := replying(t, 200, goodReply)
			err := call(t, p.connector(), oauth.Hooks{
				BeforeSend: func(context.Context) error { return errHook },
				OnReply:    func(context.Context, oauth.Raw) error { panic("there is no reply") },
			})
			f := failureOf(t, err, oauth.Fenced)
			require.ErrorIs(t, err, errHook)
			require.False(t, f.Sent)
			p.Close() // waits for whatever may have come
			require.Empty(t, p.requests())
		})
	}
}

func TestHooks_BeforeSendRunsOnceAndBeforeTheRequest(t *testing.T) {
	t.Parallel()
	var p *provider
	var before, reply atomic.Int32
	p = replying(t, 200, goodReply)
	for phase, call := range calls() {
		before.Store(0)
		reply.Store(0)
		seen := len(p.requests())
		require.NoError(t, call(t, p.connector(), oauth.Hooks{
			BeforeSend: func(context.Context) error {
				before.Add(1)
				require.Len(t, p.requests(), seen)
				return nil
			},
			OnReply: func(context.Context, oauth.Raw) error { reply.Add(1); return nil },
		}), phase)
		require.EqualValues(t, 1, before.Load(), phase)
		require.EqualValues(t, 1, reply.Load(), phase)
	}
}

// TestHooks_TheCallerGivesUpWhileBeforeSendRuns: the outcome is told only when it is certain what left.
func TestHooks_TheCallerGivesUpWhileBeforeSendRuns(t *testing.T) {
	t.Parallel()
	for _, result := range []error{nil, errHook} {
		p := newProvider(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		ctx, cancel := context.WithCancel(t.Context())
		_, err := newClient().Refresh(ctx, p.connector(), app(), oauth.Renewal{Token: secret.New("rt")}, oauth.Hooks{BeforeSend: func(context.Context) error {
			cancel()
			return result
		}})
		if result == nil {
			require.True(t, failureOf(t, err, oauth.ReplyLost).Sent)
			continue
		}
		require.False(t, failureOf(t, err, oauth.Fenced).Sent)
		p.Close()
		require.Empty(t, p.requests())
	}
}

func TestHooks_OnReplyGetsTheReplyAsItCame(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		body   string
		kind   oauth.Kind
	}{
		"good":         {200, goodReply, ""},
		"page":         {200, "<html>" + canary, oauth.Unreadable},
		"refusal":      {400, `{"error":"invalid_grant"}`, oauth.InvalidGrant},
		"server error": {503, "\x00\xff", oauth.ServerError},
		"empty":        {200, "", oauth.Unreadable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := replying(t, c.status, c.body, "Content-Type", "text/odd", "Retry-After", "7")
			var got oauth.Raw
			_, err := refresh(t, p.connector(), oauth.Hooks{OnReply: func(_ context.Context, raw oauth.Raw) error { got = raw; return nil }})
			if c.kind == "" {
				require.NoError(t, err)
			} else {
				requireFailure(t, err, c.kind)
			}
			require.Equal(t, c.body, string(got.Body))
			got.Body = nil
			require.Equal(t, oauth.Raw{Status: c.status, ContentType: "text/odd", RetryAfter: "7", RequestedAt: noon()}, got)
		})
	}
}

func TestHooks_OnReplyErrorLeavesTheCallInDoubt(t *testing.T) {
	t.Parallel()
	p := replying(t, 200, goodReply)
	_, err := refresh(t, p.connector(), oauth.Hooks{OnReply: func(context.Context, oauth.Raw) error { return errHook }})
	f := failureOf(t, err, oauth.ReplyLost)
	require.True(t, f.Sent)
	require.ErrorIs(t, err, errHook)
}

// TestHooks_OnReplyOutlivesTheCaller: what the provider gave is kept whatever has become of the caller's patience.
func TestHooks_OnReplyOutlivesTheCaller(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	p := replying(t, 200, goodReply)
	reply, err := newClient().Refresh(ctx, p.connector(), app(), oauth.Renewal{Token: secret.New("rt")}, oauth.Hooks{
		OnReply: func(ctx context.Context, _ oauth.Raw) error {
			cancel()
			return ctx.Err()
		},
	})
	require.NoError(t, err)
	require.Equal(t, "rt", reply.RefreshToken.Reveal())
}

func TestHooks_BeforeSendSeesTheDeadline(t *testing.T) {
	t.Parallel()
	p := replying(t, 200, goodReply)
	_, err := refresh(t, p.connector(), oauth.Hooks{BeforeSend: func(ctx context.Context) error {
		deadline, ok := ctx.Deadline()
		require.True(t, ok)
		require.LessOrEqual(t, time.Until(deadline), 5*time.Second)
		return nil
	}})
	require.NoError(t, err)
}

// TestHooks_NothingIsSentLate: by the time that the caller has said yes, another process may have taken its place.
func TestHooks_NothingIsSentLate(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ timeout, deadline time.Duration }{
		"past the client's timeout":  {100 * time.Millisecond, time.Minute},
		"past the caller's deadline": {time.Minute, 100 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := replying(t, 200, goodReply)
			ctx, cancel := context.WithTimeout(t.Context(), c.deadline)
			defer cancel()
			_, err := oauth.NewClient(c.timeout, noon).Refresh(ctx, p.connector(), app(), oauth.Renewal{Token: secret.New("rt")}, oauth.Hooks{
				BeforeSend: func(ctx context.Context) error { <-ctx.Done(); return nil },
			})
			f := failureOf(t, err, oauth.Fenced)
			require.False(t, f.Sent)
			require.NoError(t, f.Unwrap(), "the clock's verdict, not an error of the caller's")
			p.Close()
			require.Empty(t, p.requests())
		})
	}
}

// TestHooks_AReplyThatIsThereIsReadAfterTheLimit: a process that was frozen past its limit finds the reply in the
// socket.
func TestHooks_AReplyThatIsThereIsReadAfterTheLimit(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	p := newProvider(t, func(w http.ResponseWriter, _ *http.Request) {
		<-ctx.Done()
		_, _ = io.WriteString(w, goodReply)
	})
	reply, err := newClient().Refresh(ctx, p.connector(), app(), oauth.Renewal{Token: secret.New("rt")}, oauth.Hooks{})
	require.NoError(t, err)
	require.Equal(t, "rt", reply.RefreshToken.Reveal())
}
