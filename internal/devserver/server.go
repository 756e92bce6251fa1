package devserver

import (
	"context"
	"sync"
)

// Server is a running Temporal dev server.
type Server struct {
	// Address is the host:port of the gRPC service.
	Address string
	// UIAddress is the host:port of the Web UI; empty if the server has none.
	UIAddress string
	// Adopted says that the server was already running, left by an earlier process.
	Adopted bool
	// PID is the server's process id.
	PID int

	child  *child
	id     identity
	opts   Options
	limits limits

	mu sync.Mutex // one Stop at a time
}

// Done is closed when the server has ended, for whatever reason.
func (s *Server) Done() <-chan struct{} { return s.child.done }

// Stop ends the server and drops its record: politely first, then, after ten seconds or when ctx ends, by force; a
// server in memory by force at once. When it returns nil the process is gone. It may be called again.
func (s *Server) Stop(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.opts.DataDir == "" {
		return s.child.end(ctx, 0) // it has nothing to save, and would take seconds to say goodbye
	}
	if err := s.child.end(ctx, s.limits.stop); err != nil {
		return err
	}
	return dropRecord(s.opts.recordFile(), s.id)
}
