package devserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// starter is [Start] with what tests replace.
type starter struct {
	limits  limits
	resolve func(context.Context, io.Writer) (string, error)
}

var (
	errEnded     = errors.New("the process ended")
	errPortTaken = errors.New("a port of the Temporal dev server was taken by another program while it started: try again")
)

// launchOnce starts the server on the ports asked for or free now, and waits until it answers. On failure the process
// is ended.
func (s starter) launchOnce(ctx context.Context, o Options, binary string) (_ *Server, err error) {
	ports := []*int{&o.Port}
	if o.UI {
		ports = append(ports, &o.UIPort)
	}
	if err := freePorts(ports...); err != nil {
		return nil, err
	}
	if err := o.beginDatabase(); err != nil {
		return nil, err
	}
	output, err := openOutput(o)
	if err != nil {
		return nil, err
	}
	defer output.close()

	// The server outlives ctx, so ctx must not end it.
	cmd := exec.CommandContext(context.WithoutCancel(ctx), binary, o.args()...) //nolint:gosec // our own arguments
	cmd.Env = childEnv(os.Environ())
	cmd.Dir = o.DataDir
	cmd.Stdout, cmd.Stderr = output.writer, output.writer
	cmd.WaitDelay = time.Second
	c, err := spawn(cmd, o.DieWithParent)
	if err != nil {
		return nil, fmt.Errorf("start the Temporal dev server %s: %w", binary, err)
	}
	server := &Server{Address: hostPort(o.Port), PID: c.proc.Pid, child: c, opts: o, limits: s.limits}
	if o.UI {
		server.UIAddress = hostPort(o.UIPort)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, server.Stop(context.WithoutCancel(ctx)))
		}
	}()
	// Before the wait: if we are killed now, the next start knows the child.
	if err := server.record(ctx, binary); err != nil {
		return nil, err
	}
	if err := server.waitReady(ctx); err != nil {
		return nil, startError(ctx, o, err, output.tail())
	}
	return server, o.databaseIsComplete()
}

// record writes the record of a new server.
func (s *Server) record(ctx context.Context, binary string) error {
	if s.opts.DataDir == "" {
		return nil
	}
	id, err := identify(ctx, s.PID)
	if err != nil {
		if s.child.gone(ctx, time.Second) {
			return nil // waitReady will tell why
		}
		return fmt.Errorf("record the Temporal dev server: %w", err)
	}
	s.id = id
	r := record{identity: id, Binary: binary, Address: s.Address, UIAddress: s.UIAddress, DBFile: s.opts.dbFile()}
	return r.write(s.opts.recordFile())
}

// waitReady waits until a new server is ready, ends, or has had its time.
func (s *Server) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, s.limits.ready, fmt.Errorf("no answer within %s", s.limits.ready))
	defer cancel()
	ctx, abort := context.WithCancelCause(ctx)
	defer abort(nil)
	go func() {
		select {
		case <-s.child.done:
			abort(fmt.Errorf("%w (%s)", errEnded, s.child.exit()))
		case <-ctx.Done():
		}
	}()
	return s.probe().wait(ctx)
}

func (s *Server) probe() probe {
	return probe{
		pid: s.PID, address: s.Address, uiAddress: s.UIAddress,
		namespace: s.opts.Namespace, attributes: s.opts.SearchAttributes,
	}
}

// startError says why a start failed, what the server said, and what to do.
func startError(ctx context.Context, o Options, err error, output string) error {
	if ctx.Err() != nil {
		return fmt.Errorf("starting the Temporal dev server was stopped: %w", err)
	}
	if errors.Is(err, errEnded) && isPortBusy(output) {
		return errPortTaken
	}
	where := ""
	if o.DataDir != "" {
		where = fmt.Sprintf(" in %s (all of it: %s)", o.DataDir, o.logFile())
	}
	if errors.Is(err, errEnded) {
		return fmt.Errorf("the Temporal dev server ended before it answered: %w; mend what it says%s, or set %s to another "+
			"Temporal CLI:\n%s", err, where, EnvCLI, lastLines(output, 10))
	}
	return fmt.Errorf("the Temporal dev server did not get ready and was ended: %w; try again when the machine is less "+
		"busy; it said%s:\n%s", err, where, lastLines(output, 10))
}
