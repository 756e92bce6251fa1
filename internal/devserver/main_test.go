package devserver

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/shirou/gopsutil/v4/process"
)

const (
	envHelper = "CONNECTIONS_DEVSERVER_HELPER" // names a data directory
	envDie    = "CONNECTIONS_DEVSERVER_DIE"    // the helper's server dies with it
	envRun    = "CONNECTIONS_DEVSERVER_RUN"    // marks every process that this run starts
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(envHelper); dir != "" {
		os.Exit(helper(dir))
	}
	mark := strconv.Itoa(os.Getpid()) + "-" + strconv.FormatInt(time.Now().UnixNano(), 36)
	if err := os.Setenv(envRun, mark); err != nil {
		panic(err)
	}
	code := m.Run()
	if left := leftovers(envRun + "=" + mark); len(left) > 0 && code == 0 {
		fmt.Fprintln(os.Stderr, "the tests left processes behind:", left)
		code = 1
	}
	os.Exit(code)
}

// helper is a worker that starts a server and is then killed by the test.
func helper(dir string) int {
	server, err := Start(context.Background(), Options{DataDir: dir, Log: os.Stderr, DieWithParent: os.Getenv(envDie) != ""})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(server.PID)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	<-ctx.Done()
	return 0
}

// leftovers lists the processes that carry the mark in their environment, once they had a moment to go.
func leftovers(mark string) []string {
	var left []string
	for range 50 {
		left = nil
		all, err := process.Processes()
		if err != nil {
			return []string{err.Error()}
		}
		for _, p := range all {
			env, err := p.Environ()
			if err != nil || int(p.Pid) == os.Getpid() || !slices.Contains(env, mark) {
				continue
			}
			line, _ := p.Cmdline()
			left = append(left, fmt.Sprintf("%d %s", p.Pid, line))
		}
		if len(left) == 0 {
			return nil
		}
		time.Sleep(pollEvery)
	}
	return left
}
