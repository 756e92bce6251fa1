package devserver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/shirou/gopsutil/v4/process"
)

// identity names one process. A pid alone does not: systems use them again.
type identity struct {
	PID        int   `json:"pid"`
	CreateTime int64 `json:"create_time"` // ms since 1970
}

// createTimeSlack: on Linux the create time is computed from the boot time, which moves when the clock is set.
const createTimeSlack = 2000

func (id identity) same(other identity) bool {
	d := id.CreateTime - other.CreateTime
	return id.PID == other.PID && -createTimeSlack <= d && d <= createTimeSlack
}

func identify(ctx context.Context, pid int) (identity, error) {
	p, err := process.NewProcessWithContext(ctx, int32(pid)) //nolint:gosec // a pid fits
	if err != nil {
		return identity{}, err
	}
	created, err := p.CreateTimeWithContext(ctx)
	return identity{PID: pid, CreateTime: created}, err
}

// serves reports whether this very process still runs and is a dev server on the database file. Its command line
// proves that it is ours: nobody else has business in our data directory.
func (id identity) serves(ctx context.Context, dbFile string) bool {
	if !id.lives(ctx) {
		return false
	}
	args, err := id.commandLine(ctx)
	return err == nil && isServerOn(args, dbFile)
}

func (id identity) commandLine(ctx context.Context) ([]string, error) {
	p, err := process.NewProcessWithContext(ctx, int32(id.PID)) //nolint:gosec // a pid fits
	if err != nil {
		return nil, err
	}
	return p.CmdlineSliceWithContext(ctx)
}

// lives reports whether this very process has not ended completely. One that is ending has lost its command line, but
// still has its ports and files. When in doubt it lives.
func (id identity) lives(ctx context.Context) bool {
	p, err := process.NewProcessWithContext(ctx, int32(id.PID)) //nolint:gosec // a pid fits
	if err != nil {
		return !errors.Is(err, process.ErrorProcessNotRunning)
	}
	created, err := p.CreateTimeWithContext(ctx)
	if err != nil {
		return !errors.Is(err, fs.ErrNotExist)
	}
	if !id.same(identity{PID: id.PID, CreateTime: created}) {
		return false
	}
	status, err := p.StatusWithContext(ctx)
	if err != nil || !slices.Contains(status, process.Zombie) {
		return true
	}
	// Ended, but never reaped by its new parent. Its main thread may be ahead of the others.
	threads, err := p.NumThreadsWithContext(ctx)
	return err == nil && threads > 1
}

// awaitEnd waits for a process that is on its way out already, and for no other.
func (id identity) awaitEnd(ctx context.Context) {
	args, err := id.commandLine(ctx)
	if err == nil && len(args) == 0 && id.lives(ctx) {
		id.watch(ctx, nil).gone(ctx, killWithin)
	}
}

func isServerOn(args []string, dbFile string) bool {
	if len(args) < 3 || args[1] != "server" || args[2] != "start-dev" {
		return false
	}
	i := slices.Index(args, "--db-filename")
	return i > 0 && i+1 < len(args) && args[i+1] == dbFile
}

// serversOn finds the running dev servers on the database file.
func serversOn(ctx context.Context, dbFile string) ([]identity, error) {
	all, err := process.ProcessesWithContext(ctx)
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var found []identity
	for _, p := range all {
		args, err := p.CmdlineSliceWithContext(ctx)
		if err != nil || !isServerOn(args, dbFile) {
			continue // gone, or not ours to see
		}
		id, err := identify(ctx, int(p.Pid))
		if err != nil {
			continue
		}
		found = append(found, id)
	}
	return found, nil
}

// open takes hold of a running server that is not our child. Its done channel closes when the server is gone.
func (id identity) open(ctx context.Context, dbFile string) (*child, bool) {
	proc, err := os.FindProcess(id.PID) // first the handle, then the check: the pid cannot change hands in between
	if err != nil || !id.serves(ctx, dbFile) {
		return nil, false
	}
	return id.watch(ctx, proc), true
}

// watch notices the end of a process that is not our child: nothing but looking tells.
func (id identity) watch(ctx context.Context, proc *os.Process) *child {
	c := &child{proc: proc, done: make(chan struct{})}
	ctx = context.WithoutCancel(ctx) // the server outlives the start
	go func() {
		for id.lives(ctx) {
			time.Sleep(pollEvery)
		}
		close(c.done)
	}()
	return c
}

const pollEvery = 100 * time.Millisecond

// end asks the process to end, then kills it after the grace period or when ctx ends. It returns when the process is
// gone.
func (c *child) end(ctx context.Context, grace time.Duration) error {
	if err := terminate(c.proc); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("end the Temporal dev server (pid %d): %w", c.proc.Pid, err)
	}
	if c.gone(ctx, grace) {
		return nil
	}
	if err := c.proc.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill the Temporal dev server (pid %d): %w", c.proc.Pid, err)
	}
	if c.gone(context.WithoutCancel(ctx), killWithin) {
		return nil
	}
	return fmt.Errorf("the Temporal dev server (pid %d) does not end: end it by hand, then start again", c.proc.Pid)
}

// killWithin bounds the wait for a killed process.
const killWithin = 10 * time.Second

func (c *child) gone(ctx context.Context, within time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	select {
	case <-c.done:
		return true
	case <-ctx.Done():
		return false
	}
}
