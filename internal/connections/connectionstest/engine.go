package connectionstest

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/acme/connections/activities"
	"github.com/acme/connections/internal/devserver"
	"github.com/acme/connections/workflows"
)

// engine is the Temporal server of this test process and the worker on it. There is one task queue, hence one worker:
// its activities go on to those of the rig that has the connection.
type engine struct {
	server *devserver.Server
	client client.Client
	worker worker.Worker
	rigs   *rigs
}

var theEngine struct {
	once sync.Once
	e    *engine
	err  error
}

// Main runs the tests of a package, and stops the engine if one of them started it.
func Main(m *testing.M) { os.Exit(Run(m)) }

// Run is Main for a TestMain that has more to run around its tests: it returns the exit code.
func Run(m interface{ Run() int }) int {
	code := m.Run()
	if e := theEngine.e; e != nil {
		if err := e.stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	return code
}

func startEngine() (*engine, error) {
	theEngine.once.Do(func() { theEngine.e, theEngine.err = newEngine() })
	return theEngine.e, theEngine.err
}

func newEngine() (*engine, error) {
	ctx := context.Background()
	server, err := devserver.Start(ctx, devserver.Options{
		SearchAttributes: workflows.SearchAttributes(), Log: os.Stderr, DieWithParent: true,
	})
	if err != nil {
		return nil, err
	}
	e := &engine{server: server, rigs: &rigs{}}
	if e.client, err = client.DialContext(ctx, clientOptions(server.Address)); err != nil {
		return nil, err
	}
	e.worker = worker.New(e.client, workflows.TaskQueue, worker.Options{
		MaxConcurrentWorkflowTaskPollers: 8, DisableRegistrationAliasing: true,
		Interceptors: []interceptor.WorkerInterceptor{activities.Guard(slog.New(slog.DiscardHandler))},
	})
	e.worker.RegisterWorkflowWithOptions(workflows.Connection, workflow.RegisterOptions{Name: workflows.TypeConnection})
	e.worker.RegisterWorkflowWithOptions(workflows.Breaker, workflow.RegisterOptions{Name: workflows.TypeBreaker})
	e.worker.RegisterWorkflowWithOptions(workflows.EventDelivery, workflow.RegisterOptions{Name: workflows.TypeEventDelivery})
	for name, function := range map[string]any{
		workflows.ActivityDeliverEvent:      e.rigs.DeliverEvent,
		workflows.ActivityRecordDeadLetter:  e.rigs.RecordDeadLetter,
		workflows.ActivityExchange:          e.rigs.Exchange,
		workflows.ActivityClientCredentials: e.rigs.ClientCredentials,
		workflows.ActivityRefresh:           e.rigs.Refresh,
		workflows.ActivityRevoke:            e.rigs.Revoke,
		workflows.ActivityRecord:            e.rigs.Record,
		workflows.ActivityProbe:             e.rigs.Probe,
		workflows.ActivityToken:             e.rigs.Token,
		workflows.ActivityAwaitToken:        e.rigs.AwaitToken,
	} {
		e.worker.RegisterActivityWithOptions(function, activity.RegisterOptions{Name: name})
	}
	return e, e.worker.Start()
}

func clientOptions(address string) client.Options {
	return client.Options{HostPort: address, Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler))}
}

func (e *engine) stop() error {
	e.worker.Stop()
	e.client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	return e.server.Stop(ctx)
}
