package e2e_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	tlog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/acme/connections/workflows"
)

// The floor of a refresh: a loop of a timer and an activity that does nothing. Its worker is this test binary, started
// again as a process of its own, with the options of ours.

const (
	envBareWorker = "E2E_BARE_WORKER"
	bareQueue     = "bare"
	bareActivity  = "Nothing"
	typeBare      = "Bare"
)

// bareInput says what a bare loop does. It waits as a connection with this id and tokens of this life would.
type bareInput struct {
	ID    string        `json:"id"`
	Life  time.Duration `json:"life"`
	First time.Duration `json:"first"`
	Local bool          `json:"local"`
}

// bare is the workflow: it never ends.
func bare(ctx workflow.Context, in bareInput) error {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Minute})
	ctx = workflow.WithLocalActivityOptions(ctx, workflow.LocalActivityOptions{StartToCloseTimeout: time.Minute})
	wait := in.First
	for generation := int64(1); ; generation++ {
		if err := workflow.Sleep(ctx, wait); err != nil {
			return err
		}
		var nothing workflow.Future
		if in.Local {
			nothing = workflow.ExecuteLocalActivity(ctx, bareActivity)
		} else {
			nothing = workflow.ExecuteActivity(ctx, bareActivity)
		}
		if err := nothing.Get(ctx, nil); err != nil {
			return err
		}
		now := workflow.Now(ctx)
		set := workflows.TokenSet{Renewable: true, Generation: generation, IssuedAt: now, ExpiresAt: now.Add(in.Life)}
		wait = workflows.NextRenewal(in.ID, set).Sub(now)
	}
}

// runBareWorker is the main function of the process. It answers each line of in with the number of activities so far,
// and ends with in.
func runBareWorker(address string, in io.Reader, out io.Writer) error {
	c, err := client.Dial(client.Options{
		HostPort: address, Logger: tlog.NewStructuredLogger(slog.New(slog.DiscardHandler)),
		ConnectionOptions: client.ConnectionOptions{GrpcCompression: &client.GrpcCompressionNone{}},
	})
	if err != nil {
		return err
	}
	defer c.Close()
	w := worker.New(c, bareQueue, worker.Options{
		MaxConcurrentWorkflowTaskPollers: 8, MaxConcurrentActivityTaskPollers: 4,
		MaxConcurrentActivityExecutionSize: 200, MaxConcurrentLocalActivityExecutionSize: 200,
		MaxConcurrentWorkflowTaskExecutionSize: 200, DisableRegistrationAliasing: true,
	})
	var done atomic.Int64
	w.RegisterWorkflowWithOptions(bare, workflow.RegisterOptions{Name: typeBare})
	w.RegisterActivityWithOptions(func(context.Context) error { done.Add(1); return nil }, activity.RegisterOptions{Name: bareActivity})
	if err := w.Start(); err != nil {
		return err
	}
	defer w.Stop()
	for lines := bufio.NewScanner(in); lines.Scan(); {
		if _, err := fmt.Fprintln(out, done.Load()); err != nil {
			return err
		}
	}
	return nil
}

// bareWorker is that process.
type bareWorker struct {
	t       testing.TB
	process *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
}

func startBareWorker(t testing.TB, address string) *bareWorker {
	t.Helper()
	program, err := os.Executable()
	require.NoError(t, err)
	w := &bareWorker{t: t, process: exec.Command(program)}
	w.process.Env = append(cleanEnv(), envBareWorker+"="+address)
	w.process.Stderr = os.Stderr
	w.in, err = w.process.StdinPipe()
	require.NoError(t, err)
	out, err := w.process.StdoutPipe()
	require.NoError(t, err)
	w.out = bufio.NewReader(out)
	require.NoError(t, w.process.Start())
	t.Cleanup(func() {
		_ = w.in.Close()
		require.NoError(t, w.process.Wait())
	})
	w.done() // it answers: it has started
	return w
}

// done is how many activities have run.
func (w *bareWorker) done() int64 {
	w.t.Helper()
	_, err := fmt.Fprintln(w.in)
	require.NoError(w.t, err)
	line, err := w.out.ReadString('\n')
	require.NoError(w.t, err)
	n, err := strconv.ParseInt(strings.TrimSpace(line), 10, 64)
	require.NoError(w.t, err)
	return n
}
