//go:build unix

package devserver

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// script writes an executable that stands for another program.
func script(t *testing.T, body string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "program")
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\n"+body+"\n"), 0o700))
	return path
}

// fakeStarter starts a script in place of the Temporal CLI.
func fakeStarter(t *testing.T, body string) starter {
	t.Helper()
	path := script(t, body)
	return starter{
		limits:  limits{ready: time.Minute, adopt: time.Second, stop: 5 * time.Second},
		resolve: func(context.Context, io.Writer) (string, error) { return path, nil },
	}
}

func TestBusyPort(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", hostPort(0))
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close()) }()
	port := portOf(l.Addr().String())
	text := "port " + strconv.Itoa(port) + " is already in use: choose another with "

	never := starter{limits: defaultLimits()} // resolve is nil: nothing may be started
	_, err = never.start(t.Context(), Options{DataDir: t.TempDir(), Port: port})
	require.EqualError(t, err, text+"--temporal-port, or stop the program that uses it")
	_, err = never.start(t.Context(), Options{UI: true, UIPort: port})
	require.EqualError(t, err, text+"--ui-port, or stop the program that uses it")
}

func TestCancelledStartLeavesNothing(t *testing.T) {
	t.Parallel()
	o := Options{DataDir: t.TempDir(), DieWithParent: true}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var pid int
	go func() {
		defer cancel()
		for pid == 0 && ctx.Err() == nil {
			if r := readRecord(o.recordFile()); r != nil {
				pid = r.PID
			}
		}
	}()
	_, err := fakeStarter(t, "exec sleep 600").start(ctx, o)
	require.ErrorIs(t, err, context.Canceled)
	require.NoFileExists(t, o.recordFile())
	require.NotZero(t, pid)
	_, err = identify(t.Context(), pid)
	require.Error(t, err, "the process still runs")
}

func TestSlowStartIsEnded(t *testing.T) {
	t.Parallel()
	s := fakeStarter(t, "exec sleep 600")
	s.limits.ready = 200 * time.Millisecond
	o := Options{DataDir: t.TempDir(), DieWithParent: true}
	_, err := s.start(t.Context(), o)
	require.ErrorContains(t, err, "did not get ready and was ended: nothing answers at 127.0.0.1:")
	require.ErrorContains(t, err, "no answer within 200ms")
	require.NoFileExists(t, o.recordFile())
}

func TestEarlyEndIsNoticed(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]Options{"memory": {}, "directory": {DataDir: t.TempDir(), DieWithParent: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := fakeStarter(t, "echo the disk is full >&2; exit 3").start(t.Context(), o)
			require.ErrorContains(t, err, "ended before it answered")
			require.ErrorContains(t, err, "exit status 3")
			require.ErrorContains(t, err, "\n  the disk is full")
		})
	}
}

func TestTakenFreePortIsTriedAgain(t *testing.T) {
	t.Parallel()
	cli, err := ResolveCLI(t.Context(), t.Output())
	require.NoError(t, err)
	mark := filepath.Join(t.TempDir(), "mark")
	s := fakeStarter(t, `[ -e `+mark+` ] || { : > `+mark+`; echo "bind: address already in use"; exit 1; }; exec `+cli+` "$@"`)
	server, err := s.start(t.Context(), Options{})
	require.NoError(t, err)
	require.FileExists(t, mark)
	require.NoError(t, server.Stop(t.Context()))
}

func TestAnotherProgramOnThePortIsNotTheServer(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", hostPort(0))
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close()) }()
	require.NoError(t, probe{pid: os.Getpid()}.dial(t.Context(), l.Addr().String()))
	require.EqualError(t, probe{pid: os.Getppid()}.dial(t.Context(), l.Addr().String()), "another program has the port")
}

func TestPathThatTheServerCannotOpen(t *testing.T) {
	t.Parallel()
	_, err := Start(t.Context(), Options{DataDir: filepath.Join(t.TempDir(), "what?")})
	require.ErrorContains(t, err, "choose another with --data-dir")
}

func TestDataDirWithSpacesAndLinks(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "my data")
	require.NoError(t, os.Mkdir(dir, 0o700))
	link := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(dir, link))
	pid := orphan(t, link)
	server := testStart(t, Options{DataDir: dir})
	require.True(t, server.Adopted, "the same directory by another name")
	require.Equal(t, pid, server.PID)
	require.FileExists(t, filepath.Join(dir, dbName))
}
