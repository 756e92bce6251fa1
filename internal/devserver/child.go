package devserver

import (
	"os"
	"os/exec"
	"runtime"
)

// child is a process that we started.
type child struct {
	proc *os.Process
	done chan struct{} // closed when the process has ended and was reaped
	err  error         // what Wait said; read it after done
}

// spawn starts a command apart from our terminal's signals.
func spawn(cmd *exec.Cmd, dieWithParent bool) (*child, error) {
	setProcAttr(cmd, dieWithParent)
	c := &child{done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		// Linux sends the parent-death signal when the thread that started the child ends: keep that thread as long.
		if dieWithParent {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
		}
		err := cmd.Start()
		started <- err
		if err == nil {
			c.err = cmd.Wait()
			close(c.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	c.proc = cmd.Process
	return c, nil
}

// exit says how the process ended. Call it after done.
func (c *child) exit() string {
	if c.err == nil {
		return "exit status 0"
	}
	return c.err.Error()
}
