package e2e_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/nexus/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/acme/connections/activities"
	"github.com/acme/connections/workflows"
)

// asks is the argument of a caller's workflow.
type asks struct{ ID, Endpoint, URL string }

// callEveryWay is a caller's workflow that gets its token in every way there is, and has it used each time. Nil for the
// activities: they go by name.
func callEveryWay(ctx workflow.Context, in asks) ([]int64, error) {
	calling := workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: 30 * time.Second})
	var seen []int64
	use := func(token workflows.AccessToken, err error) error {
		if err != nil {
			return err
		}
		seen = append(seen, token.Generation)
		return workflow.ExecuteActivity(calling, "UseSealed", in, token).Get(ctx, nil)
	}
	for _, options := range [][]workflows.TokenOption{
		nil,
		{workflows.Local()},
		{workflows.ViaNexus(in.Endpoint)},
		// More than it lives for: refreshed first.
		{workflows.MinLife(time.Hour)},
		{workflows.MinLife(time.Hour), workflows.ViaNexus(in.Endpoint)},
	} {
		if err := use(workflows.Token(ctx, in.ID, options...)); err != nil {
			return seen, err
		}
	}
	if err := use(workflows.AwaitToken(ctx, in.ID)); err != nil {
		return seen, err
	}
	return seen, workflow.ExecuteActivity(calling, "UseClient", in).Get(ctx, nil)
}

// callerActivities are those of the workflow; they tell the tokens that they see in clear.
type callerActivities struct {
	tokens *activities.Tokens
	tell   func(token string)
}

// UseSealed calls the API with a token that the workflow was given.
func (a *callerActivities) UseSealed(ctx context.Context, in asks, sealed workflows.AccessToken) error {
	token, err := a.tokens.OpenSealed(ctx, in.ID, sealed)
	if err != nil {
		return err
	}
	a.tell(token.Reveal())
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, in.URL, nil)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", token.Type()+" "+token.Reveal())
	return answered(http.DefaultClient.Do(request))
}

// UseClient calls the API in the usual way.
func (a *callerActivities) UseClient(ctx context.Context, in asks) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, in.URL, nil)
	if err != nil {
		return err
	}
	return answered(a.tokens.HTTPClient(ctx, in.ID).Do(request))
}

func answered(response *http.Response, err error) error {
	if err != nil {
		return err
	}
	if err := response.Body.Close(); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the API answered %d", response.StatusCode)
	}
	return nil
}

// team is a caller in this process, on a system.
type team struct {
	client   client.Client
	queue    string
	endpoint string
	url      string
}

// newTeam starts a caller's worker, and makes a Nexus endpoint for it. They go with the test.
func newTeam(t *testing.T, s *system, log *slog.Logger, tell func(token string)) *team {
	t.Helper()
	c := &team{client: s.temporal(), queue: "callers", endpoint: "connections", url: s.dev.Sandbox.API}
	tokens, err := activities.Open(t.Context(), activities.Config{DataDir: s.dir, Temporal: c.client, Caller: "callers", Log: log})
	require.NoError(t, err)
	w := worker.New(c.client, c.queue, worker.Options{})
	w.RegisterWorkflow(callEveryWay)
	w.RegisterActivity(&callerActivities{tokens: tokens, tell: tell})
	tokens.Register(w)
	require.NoError(t, w.Start())
	t.Cleanup(func() {
		w.Stop()
		require.NoError(t, tokens.Close())
	})
	_, err = c.client.OperatorService().CreateNexusEndpoint(t.Context(), &operatorservice.CreateNexusEndpointRequest{Spec: &nexus.EndpointSpec{
		Name: c.endpoint,
		Target: &nexus.EndpointTarget{Variant: &nexus.EndpointTarget_Worker_{
			Worker: &nexus.EndpointTarget_Worker{Namespace: s.dev.Namespace, TaskQueue: workflows.TaskQueue},
		}},
	}})
	require.NoError(t, err)
	return c
}

// callersID is the workflow id of a caller.
func callersID(connectionID string) string { return "callers/" + connectionID }

// callEveryWay runs a caller's workflow, and returns the generations of the tokens that it got.
func (c *team) callEveryWay(t *testing.T, id string) []int64 {
	t.Helper()
	run, err := c.client.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: callersID(id), TaskQueue: c.queue},
		callEveryWay, asks{ID: id, Endpoint: c.endpoint, URL: c.url})
	require.NoError(t, err)
	var seen []int64
	require.NoError(t, run.Get(t.Context(), &seen))
	return seen
}
