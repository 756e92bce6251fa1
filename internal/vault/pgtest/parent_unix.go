//go:build unix && !linux

package pgtest

import "syscall"

// endWithParent does nothing: this system cannot tell a process of its parent's death. Ctrl-C still reaches the
// server, which is in the same process group.
func endWithParent(*syscall.SysProcAttr) {}

func lockThread() {}
