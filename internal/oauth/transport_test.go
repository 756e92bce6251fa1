package oauth_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/oauth"
	"github.com/acme/connections/internal/secret"
)

// TestCall_IsMadeOnce: whatever comes back, the grant is presented once. x/oauth2's auto-detection would post it again
// after any of these (golang/oauth2 issue #718).
func TestCall_IsMadeOnce(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		body   string
	}{
		"good": {200, goodReply}, "invalid_client": {401, `{"error":"invalid_client"}`}, "invalid_grant": {400, `{"error":"invalid_grant"}`},
		"401, empty": {401, ""}, "503": {503, ""}, "page": {200, "<html>"}, "429": {429, ""}, "cut": {0, ""},
	} {
		for phase, call := range calls() {
			for _, mod := range []func(*connector.Connector){post, func(*connector.Connector) {}} {
				t.Run(name+" "+string(phase), func(t *testing.T) {
					t.Parallel()
					p := newProvider(t, func(w http.ResponseWriter, _ *http.Request) {
						if c.status == 0 {
							panic(http.ErrAbortHandler)
						}
						w.WriteHeader(c.status)
						_, _ = io.WriteString(w, c.body)
					})
					_ = call(t, p.connector(mod), oauth.Hooks{})
					require.Equal(t, http.MethodPost, p.only(t).method)
				})
			}
		}
	}
}

func TestCall_FollowsNoRedirect(t *testing.T) {
	t.Parallel()
	for _, status := range []int{301, 302, 303, 307, 308} {
		for phase, call := range calls() {
			t.Run(fmt.Sprint(phase, status), func(t *testing.T) {
				t.Parallel()
				target := replying(t, 200, goodReply)
				p := replying(t, status, "", "Location", target.URL+"/token")
				requireFailure(t, call(t, p.connector(), oauth.Hooks{}), oauth.EndpointWrong)
				p.only(t)
				require.Empty(t, target.requests())
			})
		}
	}
}

func TestCall_ConnectionRefused(t *testing.T) {
	t.Parallel()
	for phase, call := range calls() {
		f := failureOf(t, call(t, at(nobody), oauth.Hooks{BeforeSend: never, OnReply: noReply}), oauth.Unreachable)
		require.False(t, f.Sent)
		require.Equal(t, phase, f.Phase)
		require.Zero(t, f.Status)
	}
}

func never(context.Context) error              { panic("there is nothing to send over") }
func noReply(context.Context, oauth.Raw) error { panic("there is no reply") }

// TestCall_HandshakeFails: bytes of TLS are not bytes of the request.
func TestCall_HandshakeFails(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = discard()
	server.StartTLS()
	defer server.Close()
	_, err := refresh(t, at(server.URL), oauth.Hooks{BeforeSend: never})
	require.False(t, failureOf(t, err, oauth.Unreachable).Sent)

	plain := replying(t, 200, goodReply)
	_, err = refresh(t, at(strings.Replace(plain.URL, "http:", "https:", 1)), oauth.Hooks{BeforeSend: never})
	require.False(t, failureOf(t, err, oauth.Unreachable).Sent)
}

// TestCall_GuardStopsTheDial: a connector that is not the sandbox reaches neither loopback nor plain http.
func TestCall_GuardStopsTheDial(t *testing.T) {
	t.Parallel()
	p := replying(t, 200, goodReply)
	outside := func(c *connector.Connector) { c.Loopback = false }
	for _, base := range []string{p.URL, strings.Replace(p.URL, "http:", "https:", 1), "https://127.0.0.1:443", "http://127.0.0.1:443"} {
		_, err := refresh(t, at(base, outside), oauth.Hooks{BeforeSend: never})
		require.False(t, failureOf(t, err, oauth.EndpointWrong).Sent, base)
	}
	p.Close()
	require.Empty(t, p.requests())
}

func TestCall_ReplyLost(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]http.HandlerFunc{
		"cut before the status": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"cut in the headers":    raw("HTTP/1.1 200 OK\r\nContent-Ty"),
		"no HTTP at all":        raw("SSH-2.0-" + canary + "\r\n"),
		"headers over 64 KiB":   raw("HTTP/1.1 200 OK\r\nX: " + strings.Repeat(canary, 16<<10) + "\r\n\r\n" + goodReply),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProvider(t, answer)
			_, err := refresh(t, p.connector(), oauth.Hooks{OnReply: noReply})
			require.True(t, failureOf(t, err, oauth.ReplyLost).Sent)
			p.only(t)
		})
	}
}

func TestCall_BodyBreaksOff(t *testing.T) {
	t.Parallel()
	const head = "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"
	p := newProvider(t, raw(head+`{"access_token":"`+canary))
	_, err := refresh(t, p.connector(), oauth.Hooks{})
	requireFailure(t, err, oauth.Unreadable)

	p = newProvider(t, raw(head+goodReply))
	reply, err := refresh(t, p.connector(), oauth.Hooks{})
	require.NoError(t, err)
	require.Equal(t, "rt", reply.RefreshToken.Reveal())
}

// raw answers with bytes of its own, and hangs up.
func raw(bytes string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		defer func() { _ = conn.Close() }()
		_, _ = io.WriteString(conn, bytes)
	}
}

// TestCall_BodyIsBounded: 256 KiB are read, of whatever comes.
func TestCall_BodyIsBounded(t *testing.T) {
	t.Parallel()
	const limit = 256 << 10
	kept := func(t *testing.T, p *provider) (oauth.Raw, oauth.Reply, error) {
		t.Helper()
		var got oauth.Raw
		reply, err := refresh(t, p.connector(), oauth.Hooks{OnReply: func(_ context.Context, raw oauth.Raw) error { got = raw; return nil }})
		return got, reply, err
	}
	t.Run("endless", func(t *testing.T) {
		t.Parallel()
		got, _, err := kept(t, newProvider(t, func(w http.ResponseWriter, _ *http.Request) {
			for page := []byte(strings.Repeat(" ", 32<<10)); ; {
				if _, err := w.Write(page); err != nil {
					return
				}
			}
		}))
		requireFailure(t, err, oauth.Unreadable)
		require.True(t, got.Cut)
		require.Len(t, got.Body, limit)
	})
	t.Run("900 KiB of token", func(t *testing.T) {
		t.Parallel()
		got, _, err := kept(t, replying(t, 200, `{"access_token":"`+strings.Repeat("x", 900<<10)+`"}`))
		requireFailure(t, err, oauth.Unreadable)
		require.True(t, got.Cut)
	})
	t.Run("900 KiB of something else", func(t *testing.T) {
		t.Parallel()
		_, reply, err := kept(t, replying(t, 200, `{"access_token":"at","refresh_token":"rt","x":"`+strings.Repeat("x", 900<<10)+`"}`))
		require.NoError(t, err)
		require.Equal(t, "at", reply.AccessToken.Reveal())
	})
	t.Run("exactly the limit", func(t *testing.T) {
		t.Parallel()
		got, _, err := kept(t, replying(t, 200, goodReply+strings.Repeat(" ", limit-len(goodReply))))
		require.NoError(t, err)
		require.False(t, got.Cut)
		require.Len(t, got.Body, limit)
	})
	t.Run("one more", func(t *testing.T) {
		t.Parallel()
		got, _, err := kept(t, replying(t, 200, goodReply+strings.Repeat(" ", limit-len(goodReply)+1)))
		require.NoError(t, err)
		require.True(t, got.Cut)
		require.Len(t, got.Body, limit)
	})
}

// TestCall_IsOverInTime: no way of keeping silent outlasts the call's own limit.
func TestCall_IsOverInTime(t *testing.T) {
	t.Parallel()
	hold := func(first string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				panic(err)
			}
			defer func() { _ = conn.Close() }()
			_, _ = io.WriteString(conn, first)
			_, _ = io.Copy(io.Discard, conn) // until the other side has had enough
		}
	}
	for name, c := range map[string]struct {
		first string
		kind  oauth.Kind
	}{
		"silence":             {"", oauth.ReplyLost},
		"half the headers":    {"HTTP/1.1 200 OK\r\nContent", oauth.ReplyLost},
		"half the body":       {"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", oauth.Unreadable},
		"another protocol":    {"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n", oauth.UnknownError},
		"continue, and pause": {"HTTP/1.1 100 Continue\r\n\r\n", oauth.ReplyLost},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProvider(t, hold(c.first))
			_, err := oauth.NewClient(100*time.Millisecond, noon).Refresh(t.Context(), p.connector(), app(), oauth.Renewal{Token: secret.New("rt")}, oauth.Hooks{})
			require.True(t, failureOf(t, err, c.kind).Sent)
			p.Close() // returns: the connection was let go
		})
	}
	t.Run("a listener that accepts nothing", func(t *testing.T) {
		t.Parallel()
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer func() { _ = listener.Close() }()
		_, err = oauth.NewClient(100*time.Millisecond, noon).Refresh(t.Context(), at("https://"+listener.Addr().String()), app(), oauth.Renewal{Token: secret.New("rt")}, oauth.Hooks{BeforeSend: never})
		require.False(t, failureOf(t, err, oauth.Unreachable).Sent)
	})
}

// TestCall_TheCallerGivesUp tells what was sent from what was not.
func TestCall_TheCallerGivesUp(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	p := newProvider(t, func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	_, err := newClient().Refresh(ctx, p.connector(), app(), oauth.Renewal{Token: secret.New("rt")}, oauth.Hooks{})
	require.True(t, failureOf(t, err, oauth.ReplyLost).Sent)

	_, err = newClient().Refresh(ctx, p.connector(), app(), oauth.Renewal{Token: secret.New("rt")}, oauth.Hooks{BeforeSend: never})
	require.False(t, failureOf(t, err, oauth.Unreachable).Sent)
	p.only(t)
}

func TestCall_IgnoresTheProxyOfTheEnvironment(t *testing.T) {
	proxy := replying(t, 200, goodReply)
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"} {
		t.Setenv(name, proxy.URL)
	}
	t.Setenv("NO_PROXY", "")
	p := replying(t, 200, goodReply)
	_, err := refresh(t, p.connector(), oauth.Hooks{})
	require.NoError(t, err)
	p.only(t)
	require.Empty(t, proxy.requests())
}
