//go:build unix

package devserver

import (
	"os"
	"syscall"
)

// terminate asks a process to end.
func terminate(proc *os.Process) error { return proc.Signal(syscall.SIGTERM) }

// killGroup ends a process that [spawn] started, with all that it started.
func killGroup(proc *os.Process) error { return syscall.Kill(-proc.Pid, syscall.SIGKILL) }
