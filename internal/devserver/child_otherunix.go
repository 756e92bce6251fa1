//go:build unix && !linux

package devserver

import (
	"os/exec"
	"syscall"
)

// setProcAttr cannot tie the child's life to ours here.
func setProcAttr(cmd *exec.Cmd, _ bool) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
}
