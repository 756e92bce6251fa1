// Command otherteam is what another team's repository has: a module of its own, that knows nothing of Connections but
// packages activities and workflows. It is built and run by the end-to-end tests.
//
// It needs what activities.Open needs (here the data directory of "worker --dev") and TEMPORAL_ADDRESS.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	tlog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"

	"github.com/acme/connections/activities"
)

const queue = "otherteam"

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "otherteam:", err)
		os.Exit(1)
	}
}

func run(args []string, stdout io.Writer) (err error) {
	flags := flag.NewFlagSet("otherteam", flag.ContinueOnError)
	dataDir := flags.String("data-dir", "", "of \"worker --dev\"")
	owner := flags.String("owner", "", "whose connections this may use")
	var in Input
	flags.StringVar(&in.ConnectionID, "connection", "", "whose token to take")
	flags.StringVar(&in.URL, "url", "", "the API to call")
	if err := flags.Parse(args); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))

	tokens, err := activities.Open(ctx, activities.Config{DataDir: *dataDir, Owner: *owner, Caller: "otherteam", Log: log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tokens.Close()) }()
	temporal, err := client.Dial(client.Options{HostPort: os.Getenv("TEMPORAL_ADDRESS"), Logger: tlog.NewStructuredLogger(log)})
	if err != nil {
		return err
	}
	defer temporal.Close()

	w := worker.New(temporal, queue, worker.Options{Interceptors: []interceptor.WorkerInterceptor{activities.TokenErrors()}})
	w.RegisterWorkflow(CallAPI)
	w.RegisterActivity(&API{tokens: tokens})
	tokens.Register(w) // for workflows.Local
	if err := w.Start(); err != nil {
		return err
	}
	defer w.Stop()

	options := client.StartWorkflowOptions{ID: "otherteam/" + in.ConnectionID, TaskQueue: queue}
	started, err := temporal.ExecuteWorkflow(ctx, options, CallAPI, in)
	if err != nil {
		return err
	}
	var result Result
	if err := started.Get(ctx, &result); err != nil {
		return err
	}
	return json.NewEncoder(stdout).Encode(result)
}
