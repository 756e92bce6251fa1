package e2e_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// cpuTick is the unit of CPU time in Linux's /proc, the same on every machine (USER_HZ).
const cpuTick = time.Second / 100

// processTimes is the CPU time of one process so far.
type processTimes struct {
	parent int
	// own is its own, ended that of its children that have ended.
	own, ended time.Duration
}

// readTimes reads a process from Linux's /proc (proc_pid_stat(5)).
func readTimes(pid int) (processTimes, error) {
	content, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return processTimes{}, err
	}
	// The second field is the program's name in parentheses, and may hold anything.
	fields := strings.Fields(string(content[bytes.LastIndexByte(content, ')')+1:]))
	number := func(field int) int { // as the manual counts them, from 1
		n, parseErr := strconv.Atoi(fields[field-3])
		err = errors.Join(err, parseErr)
		return n
	}
	t := processTimes{
		parent: number(4),
		own:    time.Duration(number(14)+number(15)) * cpuTick,
		ended:  time.Duration(number(16)+number(17)) * cpuTick,
	}
	return t, err
}

// cpuOf is the CPU time, user and system, that a process and its children have taken, those that have ended included.
func cpuOf(t testing.TB, pid int) time.Duration {
	t.Helper()
	own, err := readTimes(pid)
	require.NoError(t, err, "CPU time is read from Linux's /proc")
	total := own.own + own.ended
	entries, err := os.ReadDir("/proc")
	require.NoError(t, err)
	for _, entry := range entries {
		child, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		times, err := readTimes(child)
		if errors.Is(err, fs.ErrNotExist) {
			continue // it has just ended
		}
		if err == nil && times.parent == pid {
			total += times.own + times.ended
		}
	}
	return total
}
