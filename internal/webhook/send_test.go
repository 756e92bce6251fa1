package webhook_test

import (
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/webhook"
)

func message() webhook.Message {
	return webhook.Message{ID: "evt_1", At: time.Unix(1614265330, 0), Signature: "v1,abc", Body: []byte(`{"a":1}`)}
}

func serve(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

func TestSend(t *testing.T) {
	t.Parallel()
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Method != http.MethodPost || r.URL.Path != "/hook" || string(body) != `{"a":1}` || r.ContentLength != 7 ||
			r.Header.Get("Content-Type") != "application/json" || r.Header.Get("webhook-id") != "evt_1" ||
			r.Header.Get("webhook-timestamp") != "1614265330" || r.Header.Get("webhook-signature") != "v1,abc" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		w.WriteHeader(http.StatusAccepted)
	})
	answer, err := webhook.NewSender(true).Send(t.Context(), url+"/hook", message())
	require.NoError(t, err)
	require.Equal(t, webhook.Answer{Status: http.StatusAccepted}, answer)
	require.True(t, answer.OK())
}

func TestSend_TellsStatusAndRetryAfter(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]time.Duration{
		"": 0, "120": 2 * time.Minute, " 7 ": 7 * time.Second, "-1": 0, "soon": 0, "99999999999999999999": 0,
		time.Unix(1614265330, 0).Add(time.Hour).UTC().Format(http.TimeFormat):  time.Hour,
		time.Unix(1614265330, 0).Add(-time.Hour).UTC().Format(http.TimeFormat): 0,
	} {
		url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", header)
			w.WriteHeader(http.StatusServiceUnavailable)
		})
		answer, err := webhook.NewSender(true).Send(t.Context(), url, message())
		require.NoError(t, err)
		require.Equal(t, webhook.Answer{Status: 503, RetryAfter: want}, answer, header)
		require.False(t, answer.OK())
	}
}

// A redirect could lead anywhere, and is not followed: not even to a good place.
func TestAttackWebhookRedirect(t *testing.T) {
	t.Parallel()
	var hits atomic.Int32
	elsewhere := serve(t, func(http.ResponseWriter, *http.Request) { hits.Add(1) })
	for _, status := range []int{301, 302, 303, 307, 308} {
		url := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere, status) })
		answer, err := webhook.NewSender(true).Send(t.Context(), url, message())
		require.NoError(t, err)
		require.Equal(t, status, answer.Status)
		require.False(t, answer.OK())
	}
	require.Zero(t, hits.Load())
}

// What a receiver answers costs neither memory nor time.
func TestAttackWebhookHugeAnswer(t *testing.T) {
	t.Parallel()
	var wrote atomic.Int64
	stopped := make(chan struct{})
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		defer close(stopped)
		chunk := []byte(strings.Repeat("x", 64<<10))
		for {
			n, err := w.Write(chunk)
			if err != nil {
				return
			}
			wrote.Add(int64(n))
		}
	})
	answer, err := webhook.NewSender(true).Send(t.Context(), url, message())
	require.NoError(t, err)
	require.True(t, answer.OK())
	<-stopped
	require.Less(t, wrote.Load(), int64(64<<20), "the answer was cut off")

	url = serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Long", strings.Repeat("x", 1<<20))
	})
	_, err = webhook.NewSender(true).Send(t.Context(), url, message())
	require.ErrorIs(t, err, webhook.ErrUnreachable)
}

func TestAttackWebhookSlowAnswer(t *testing.T) {
	t.Parallel()
	for name, handler := range map[string]func(w http.ResponseWriter, r *http.Request){
		"another protocol": func(w http.ResponseWriter, _ *http.Request) {
			conn, buffered, err := http.NewResponseController(w).Hijack()
			if err != nil {
				return
			}
			_, _ = buffered.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: nothing\r\n\r\n")
			_ = buffered.Flush()
			_, _ = conn.Read(make([]byte, 1))
			_ = conn.Close()
		},
		"no header": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"a header, and a body without end": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusOK)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := serve(t, func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				handler(w, r)
			})
			begun := time.Now()
			answer, err := webhook.NewSender(true).Send(t.Context(), url, message())
			require.Less(t, time.Since(begun), webhook.Limit+5*time.Second)
			if name == "no header" {
				require.ErrorIs(t, err, webhook.ErrUnreachable)
				return
			}
			require.NoError(t, err)
			require.Equal(t, name != "another protocol", answer.OK(), "what was answered, was answered")
		})
	}
}

// A webhook never goes inside: not by address, not by name, and not because somebody allowed this machine.
func TestAttackWebhookTargetOnPrivateAddress(t *testing.T) {
	t.Parallel()
	var connections atomic.Int32
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			connections.Add(1)
			_ = conn.Close()
		}
	}()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	require.NoError(t, err)
	for _, target := range []string{
		"https://127.0.0.1/", "https://127.0.0.1:443/", "https://localhost/", "https://[::1]/", "https://0.0.0.0/", "https://[::]/",
		"https://10.1.2.3/", "https://172.16.0.1/", "https://192.168.1.1/", "https://100.64.0.1/", "https://169.254.169.254/latest/meta-data",
		"https://[fd00::1]/", "https://[fe80::1]/", "https://[::ffff:10.0.0.1]/", "https://[64:ff9b::a00:1]/", "https://168.63.129.16/",
		"https://224.0.0.1/", "https://255.255.255.255/",
		"http://127.0.0.1:" + port + "/", "https://127.0.0.1:" + port + "/", "http://localhost:" + port + "/",
		"gopher://127.0.0.1:" + port + "/", "https://user@127.0.0.1/",
	} {
		_, err := webhook.NewSender(false).Send(t.Context(), target, message())
		require.ErrorIs(t, err, webhook.ErrForbidden, target)
	}
	for _, target := range []string{"https://10.1.2.3/", "https://169.254.169.254/", "http://10.1.2.3/", "http://169.254.169.254/"} {
		_, err := webhook.NewSender(true).Send(t.Context(), target, message())
		require.ErrorIs(t, err, webhook.ErrForbidden, target)
	}
	require.Zero(t, connections.Load(), "nothing was dialled")
}

func TestSend_Unreachable(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	_, err = webhook.NewSender(true).Send(t.Context(), "http://"+listener.Addr().String(), message())
	require.ErrorIs(t, err, webhook.ErrUnreachable)
	require.Equal(t, webhook.ErrUnreachable.Error(), err.Error(), "no URL in an error")
}

// The receiver's certificate is judged.
func TestSend_TLS(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(server.Close)
	_, err := webhook.NewSender(true).Send(t.Context(), server.URL, message())
	require.ErrorIs(t, err, webhook.ErrUnreachable)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	answer, err := webhook.NewSender(true).WithRoots(roots).Send(t.Context(), server.URL, message())
	require.NoError(t, err)
	require.True(t, answer.OK())
}
