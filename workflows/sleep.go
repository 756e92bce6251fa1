package workflows

import "time"

// A connection falls asleep after so long unread: a day, or so many of its tokens' lives if that is longer.
const (
	sleepAfter      = 24 * time.Hour
	sleepAfterLives = 3
)

// UnreadSince is since when a connection must be unread to fall asleep at now instead of being renewed: zero if it may
// not. awakeSince is when its token was last known to be wanted. Only a token whose expiry is known may sleep: its
// readers see that it has expired, and wait for one refresh.
func UnreadSince(t TokenSet, awakeSince, now time.Time) time.Time {
	if t.ExpiresAt.IsZero() || !t.Renewable {
		return time.Time{}
	}
	since := now.Add(-max(sleepAfter, sleepAfterLives*t.life()))
	if awakeSince.After(since) {
		return time.Time{}
	}
	return since
}
