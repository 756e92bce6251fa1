package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"
	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"

	"github.com/acme/connections/activities"
	"github.com/acme/connections/internal/config"
	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/sample"
	"github.com/acme/connections/workflows"
)

// sampleView is what "sample" prints.
type sampleView struct {
	ConnectionID string `json:"connection_id"`
	WorkflowID   string `json:"workflow_id"`
	sample.Report
}

// samplePoll is how often the progress is looked at.
const samplePoll = 200 * time.Millisecond

func sampleCommand(a *app) *cobra.Command {
	var await bool
	command := &cobra.Command{
		Use:   "sample ID",
		Short: "Run the sample integration: read contacts from the sandbox",
		Long: `Runs internal/sample as another team would run its integration: with a worker of its own, in this process, on the task
queue "` + sample.TaskQueue + `". Its workflow pages through the contacts of the sandbox of "worker --dev", which on the way throttles (429)
and revokes the token before its time (401).

With --await the workflow waits while the connection needs a person, and goes on when it is mended. Stop this command
whenever you like: the workflow stays, and the next run goes on with it.`,
		Example: `  starter sample con_06eg2v…
  starter sample con_06eg2v… --await -o json`,
		Args: oneArg("connection id"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.sample(cmd.Context(), args[0], await) },
	}
	command.Flags().BoolVar(&await, "await", false, "wait while the connection needs a person, and go on when it is mended")
	return command
}

func (a *app) sample(ctx context.Context, id string, await bool) error {
	c, err := a.open(ctx)
	if err != nil {
		return err
	}
	settings, err := config.Load(a.dataDir)
	if err != nil {
		return err
	}
	if settings.Dev == nil {
		return usagef("\"sample\" calls the sandbox of \"worker --dev\", and there is no data directory at %s: name it with --data-dir", a.dataDir)
	}
	view, err := c.Status(ctx, id)
	if err != nil {
		return err
	}
	if view.Connector != "sandbox" {
		return usagef("connection %s is of %s: \"sample\" calls the API of the sandbox, which no other token may reach", id, view.Connector)
	}
	stop, err := a.startSampleWorker(ctx)
	if err != nil {
		return err
	}
	defer stop()
	run, err := a.startSample(ctx, id, settings.Dev.Sandbox.Contacts, await)
	if err != nil {
		return err
	}
	report, err := a.followSample(ctx, c, id, run)
	if err != nil {
		return err
	}
	return a.showSample(sampleView{ConnectionID: id, WorkflowID: run.GetID(), Report: report})
}

// startSampleWorker is all that an integration's main does.
func (a *app) startSampleWorker(ctx context.Context) (stop func(), err error) {
	log := slog.New(slog.DiscardHandler)
	tokens, err := activities.Open(ctx, activities.Config{DataDir: a.dataDir, Temporal: a.temporal, Caller: "sample", Log: log})
	if err != nil {
		return nil, err
	}
	w := worker.New(a.temporal, sample.TaskQueue, worker.Options{
		Interceptors:                 []interceptor.WorkerInterceptor{activities.TokenErrors()},
		MaxHeartbeatThrottleInterval: samplePoll, // so that the progress can be watched
	})
	sample.Register(w, tokens)
	if err := w.Start(); err != nil {
		return nil, errors.Join(errors.New("the sample's worker did not start"), tokens.Close()) //nolint:contextcheck // closing has its own time
	}
	return func() { //nolint:contextcheck // closing has its own time
		w.Stop()
		_ = tokens.Close()
	}, nil
}

// startSample starts the workflow, or finds the one that runs already.
func (a *app) startSample(ctx context.Context, id, url string, await bool) (client.WorkflowRun, error) {
	kind, workflowID := sample.TypeContacts, "sample/"+id
	if await {
		kind, workflowID = sample.TypeAwait, "sample-await/"+id
	}
	run, err := a.temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: workflowID, TaskQueue: sample.TaskQueue, WorkflowIDConflictPolicy: enums.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
	}, kind, sample.Input{ConnectionID: id, URL: url})
	if err != nil {
		return nil, sampleError(ctx, err)
	}
	a.tell("%s runs as %s on task queue %q.", kind, workflowID, sample.TaskQueue)
	return run, nil
}

// followSample tells of the workflow's progress until it ends.
func (a *app) followSample(ctx context.Context, c *connections.Client, id string, run client.WorkflowRun) (sample.Report, error) {
	type outcome struct {
		report sample.Report
		err    error
	}
	ended := make(chan outcome, 1)
	go func() {
		var o outcome
		o.err = run.Get(ctx, &o.report)
		ended <- o
	}()
	ticker := time.NewTicker(samplePoll)
	defer ticker.Stop()
	told := ""
	for {
		select {
		case o := <-ended:
			if ctx.Err() != nil {
				a.tell("The workflow stays: run this again, and it goes on.")
			}
			return o.report, sampleError(ctx, o.err)
		case <-ticker.C:
			if line := a.sampleProgress(ctx, c, id, run); line != "" && line != told {
				a.tell("%s", line)
				told = line
			}
		}
	}
}

// sampleProgress is a line about what the workflow does now, as Temporal knows it; empty if there is nothing to tell.
func (a *app) sampleProgress(ctx context.Context, c *connections.Client, id string, run client.WorkflowRun) string {
	described, err := a.temporal.DescribeWorkflowExecution(ctx, run.GetID(), run.GetRunID())
	if err != nil {
		return ""
	}
	return progressLine(described, func() string {
		view, err := c.Status(ctx, id)
		if err != nil || !workflows.RefusalOf(workflows.ConnectionStatus(view.Status), "").NeedsPerson() {
			return ""
		}
		return fmt.Sprintf("Parked: the connection is %s. %s", view.Status, view.Message)
	})
}

func progressLine(described *workflowservice.DescribeWorkflowExecutionResponse, parked func() string) string {
	for _, pending := range described.GetPendingActivities() {
		if pending.GetActivityType().GetName() == workflows.ActivityAwaitToken {
			return parked()
		}
		var report sample.Report
		if details := pending.GetHeartbeatDetails(); details == nil ||
			converter.GetDefaultDataConverter().FromPayloads(details, &report) != nil {
			continue
		}
		return fmt.Sprintf("page %d: %d contacts; met 401 %d times, 429 %d times", report.Pages, report.Contacts, report.Unauthorized, report.Throttled)
	}
	return ""
}

// tell writes a line of progress, which is no part of the output.
func (a *app) tell(format string, args ...any) {
	w := a.stdout
	if a.json() {
		w = a.stderr
	}
	_, _ = fmt.Fprintf(w, format+"\n", args...)
}

func (a *app) showSample(v sampleView) error {
	if a.json() {
		return a.print(v)
	}
	_, err := fmt.Fprintf(a.stdout, "\nRead %d contacts on %d pages. On the way: 401 %d times, 429 %d times, %d new tokens.\n",
		v.Contacts, v.Pages, v.Unauthorized, v.Throttled, v.Refreshes)
	return err
}

// sampleError gives an error of the workflow's the code and the sentence of its cause.
func sampleError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err == nil {
		return nil
	}
	if refused, is := workflows.AsTokenError(err); is {
		return &connections.Error{Code: string(refused.Reason), Message: refused.Error()}
	}
	var app *temporal.ApplicationError
	if errors.As(err, &app) {
		return &connections.Error{Code: app.Type(), Message: app.Message()}
	}
	return fmt.Errorf("the sample's workflow failed: %w", err)
}
