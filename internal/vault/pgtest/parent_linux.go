package pgtest

import (
	"runtime"
	"syscall"
)

// endWithParent has the kernel end the process when the thread that started it ends. SIGINT is Postgres's fast
// shutdown.
func endWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGINT }

// lockThread keeps the goroutine's thread for it alone. The thread ends with the goroutine.
func lockThread() { runtime.LockOSThread() }
