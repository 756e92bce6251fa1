package activities

import (
	"context"
	"math/rand/v2"
	"net/url"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/oauth"
)

const (
	// defaultRate is how many calls a second one process makes to one provider's token endpoint, where the connector
	// says nothing. It is far above what a fleet needs that is spread well, and far below what 10,000 connections do
	// that all wake at once.
	defaultRate = 50
	// longestTurn is how long a call waits for its turn; longer waits are Temporal's.
	longestTurn = 2 * time.Second
	queueSpread = time.Minute
	// maxLimits bounds how many hosts are remembered.
	maxLimits = 10_000
)

// rateLimits keep one process from calling a token endpoint too often, by host. The zero value is ready.
type rateLimits struct {
	mu     sync.Mutex
	byHost map[string]*rate.Limiter
}

// turn waits for the call's turn; if that is too far away, it says how far, and the call must not be made. A person waits
// for an exchange, and its code does not keep: it is never held up.
func (l *rateLimits) turn(ctx context.Context, conn connector.Connector, kind string) (tooLong time.Duration) {
	if kind == string(oauth.Exchange) {
		return 0
	}
	reservation := l.of(conn).Reserve()
	wait := reservation.Delay()
	if wait > longestTurn {
		reservation.Cancel()
		// Not all of those at once that found no place in the queue.
		return wait + rand.N(queueSpread) //nolint:gosec // a spread, not a secret
	}
	if wait > 0 && !sleep(ctx, wait) {
		return wait
	}
	return 0
}

func (l *rateLimits) of(conn connector.Connector) *rate.Limiter {
	host := conn.ID
	if u, err := url.Parse(conn.RefreshCall().URL); err == nil && u.Host != "" {
		host = u.Host
	}
	perSecond := conn.Token.RatePerSecond
	if perSecond <= 0 {
		perSecond = defaultRate
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	limiter := l.byHost[host]
	if limiter == nil || float64(limiter.Limit()) != perSecond {
		if l.byHost == nil || len(l.byHost) >= maxLimits {
			l.byHost = make(map[string]*rate.Limiter)
		}
		limiter = rate.NewLimiter(rate.Limit(perSecond), max(1, int(perSecond)))
		l.byHost[host] = limiter
	}
	return limiter
}
