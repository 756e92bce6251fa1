package api

import (
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// limiters bound the requests of each key. Only keys that are good have one, so there are no more than keys.
type limiters struct {
	reads, writes rate.Limit

	mu     sync.RWMutex
	byKeys map[string]*limiter
}

type limiter struct{ reads, writes, imports *rate.Limiter }

// importBurst is how many imports may come at once.
const importBurst = 5

func newLimiters(reads, writes rate.Limit) *limiters {
	return &limiters{reads: reads, writes: writes, byKeys: make(map[string]*limiter)}
}

// take counts a request; if it is over the limit, it is not counted, and the result is how long to wait.
func (l *limiters) take(key, method string) time.Duration {
	of := l.of(key)
	bucket := of.writes
	if method == http.MethodGet || method == http.MethodHead {
		bucket = of.reads
	}
	return allow(bucket)
}

// takeImport counts an import, which starts as many workflows as other writes of a while.
func (l *limiters) takeImport(key string) time.Duration { return allow(l.of(key).imports) }

func allow(bucket *rate.Limiter) time.Duration {
	if bucket.Allow() {
		return 0
	}
	return time.Duration(float64(time.Second) / float64(bucket.Limit()))
}

func (l *limiters) of(key string) *limiter {
	l.mu.RLock()
	found := l.byKeys[key]
	l.mu.RUnlock()
	if found != nil {
		return found
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if found = l.byKeys[key]; found == nil {
		found = &limiter{
			reads: bucketOf(l.reads), writes: bucketOf(l.writes), imports: rate.NewLimiter(l.writes/maxRecords, importBurst),
		}
		l.byKeys[key] = found
	}
	return found
}

func bucketOf(limit rate.Limit) *rate.Limiter { return rate.NewLimiter(limit, max(1, int(2*limit))) }
