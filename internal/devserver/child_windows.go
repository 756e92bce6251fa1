package devserver

import (
	"os"
	"os/exec"
	"syscall"
)

func setProcAttr(cmd *exec.Cmd, _ bool) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

// terminate ends a process at once: Windows has no polite signal for a process without a window.
func terminate(proc *os.Process) error { return proc.Kill() }

// killGroup ends the process; the go command's compilers end by themselves after the file they are at.
func killGroup(proc *os.Process) error { return proc.Kill() }
