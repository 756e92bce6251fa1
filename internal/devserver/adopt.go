package devserver

import (
	"context"
	"errors"
	"fmt"
)

// adopt looks for what an earlier process left in the data directory. It returns the recorded server if that very
// process still runs and serves what is asked for; any other server on our database is ended. A record that names
// somebody else's process is dropped and the process left alone. Nil and nil: nothing runs on the database.
func (s starter) adopt(ctx context.Context, o Options) (*Server, error) {
	r := readRecord(o.recordFile())
	running, err := serversOn(ctx, o.dbFile())
	if err != nil {
		return nil, err
	}
	var adopted *Server
	for _, id := range running {
		c, ok := id.open(ctx, o.dbFile())
		if !ok {
			id.awaitEnd(ctx)
			continue
		}
		why := "it is not recorded"
		if r != nil && r.same(id) && adopted == nil {
			server := &Server{
				Address: r.Address, UIAddress: r.UIAddress, Adopted: true, PID: id.PID,
				child: c, id: r.identity, opts: o, limits: s.limits,
			}
			err := server.adoptable(ctx)
			if ctx.Err() != nil {
				return nil, fmt.Errorf("starting the Temporal dev server was stopped: %w", context.Cause(ctx))
			}
			if err == nil {
				adopted = server
				continue
			}
			why = err.Error()
		}
		say(o.Log, "Ending the Temporal dev server (pid %d) that an earlier run left: %s.", id.PID, why)
		if err := c.end(ctx, s.limits.stop); err != nil {
			return nil, err
		}
	}
	if adopted == nil {
		if r == nil {
			return nil, nil //nolint:nilnil // documented: nothing runs
		}
		r.awaitEnd(ctx)
		return nil, dropRecord(o.recordFile(), r.identity)
	}
	say(o.Log, "Using the Temporal dev server that an earlier run left (pid %d).", adopted.PID)
	return adopted, o.databaseIsComplete()
}

// adoptable returns nil if the running server has the ports that are asked for and answers.
func (s *Server) adoptable(ctx context.Context) error {
	o := s.opts
	switch {
	case o.Port != 0 && o.Port != portOf(s.Address):
		return fmt.Errorf("it has port %d, not %d", portOf(s.Address), o.Port)
	case o.UI && s.UIAddress == "":
		return errors.New("it has no Web UI")
	case o.UI && o.UIPort != 0 && o.UIPort != portOf(s.UIAddress):
		return fmt.Errorf("its Web UI has port %d, not %d", portOf(s.UIAddress), o.UIPort)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, s.limits.adopt, fmt.Errorf("no answer within %s", s.limits.adopt))
	defer cancel()
	return s.probe().wait(ctx)
}
