package oauth

import (
	"context"
	"errors"
	"time"
)

// lastLook is how long a call whose time is up goes on reading what has come.
const lastLook = time.Second

// patience returns a context that ends when ctx is cancelled, or lastLook after limit, or after ctx's own deadline. The
// last look begins only when this process has noticed that the time is up: one that was frozen meanwhile (SIGSTOP, a
// paused virtual machine) finds its time up and the provider's reply waiting in the socket, and gets to read it.
func patience(ctx context.Context, limit time.Time) (context.Context, context.CancelFunc) {
	patient, cancel := context.WithCancel(context.WithoutCancel(ctx))
	go func() {
		defer cancel()
		timer := time.NewTimer(time.Until(limit))
		defer timer.Stop()
		select {
		case <-patient.Done():
			return
		case <-timer.C:
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.Canceled) {
				return
			}
		}
		timer.Reset(lastLook)
		select {
		case <-patient.Done():
		case <-timer.C:
		}
	}()
	return patient, cancel
}

// over reports whether limit has passed, by either clock: the monotonic one stands still while a machine is suspended,
// the wall clock may be set. A zero limit never passes.
func over(limit time.Time) bool {
	if limit.IsZero() {
		return false
	}
	now := time.Now()
	return !now.Before(limit) || !now.Round(0).Before(limit.Round(0))
}

// errLate: the call's time was up before its first byte left.
var errLate = errors.New("oauth: too late to send")
