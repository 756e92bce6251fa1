package workflows_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"go.temporal.io/sdk/activity"
	tlog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/acme/connections/workflows"
)

// SyncContacts is a workflow of another team. The token is sealed in it, and opened in its activity.
func SyncContacts(ctx workflow.Context, connectionID string) (string, error) {
	token, err := workflows.Token(ctx, connectionID, workflows.MinLife(5*time.Minute))
	if err != nil {
		return "", err
	}
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: 10 * time.Minute})
	var outcome string
	err = workflow.ExecuteActivity(ctx, "ReadContacts", connectionID, token).Get(ctx, &outcome)
	return outcome, err
}

// newTest is an environment for tests of workflows that use this package: what activity "Token" would have answered is up
// to the test.
func newTest(token func(context.Context, workflows.TokenRequest) (workflows.AccessToken, error)) *testsuite.TestWorkflowEnvironment {
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(tlog.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := suite.NewTestWorkflowEnvironment()
	env.RegisterActivityWithOptions(token, activity.RegisterOptions{Name: workflows.ActivityToken})
	env.RegisterActivityWithOptions(func(_ context.Context, id string, token workflows.AccessToken) (string, error) {
		return fmt.Sprintf("contacts of %s with generation %d", id, token.Generation), nil
	}, activity.RegisterOptions{Name: "ReadContacts"})
	return env
}

// A workflow gets a sealed token and hands it to its activity, which opens it. Here it runs in the SDK's test
// environment, as in a test of one's own.
func ExampleToken() {
	env := newTest(func(context.Context, workflows.TokenRequest) (workflows.AccessToken, error) {
		return workflows.AccessToken{Status: workflows.StatusActive, Generation: 7, Type: "Bearer", Sealed: []byte("sealed")}, nil
	})
	env.ExecuteWorkflow(SyncContacts, "con_06eg2v")
	var outcome string
	err := env.GetWorkflowResult(&outcome)
	fmt.Println(outcome, err)
	// Output: contacts of con_06eg2v with generation 7 <nil>
}

// What a refusal tells: its kind is what to do, its reason why, and its text is for people.
func ExampleTokenError() {
	env := newTest(func(context.Context, workflows.TokenRequest) (workflows.AccessToken, error) {
		reason := workflows.ReasonGrantRejected
		return workflows.AccessToken{}, temporal.NewNonRetryableApplicationError(reason.Sentence(), string(reason), nil)
	})
	env.ExecuteWorkflow(func(ctx workflow.Context) error {
		_, err := workflows.Token(ctx, "con_06eg2v")
		var refused *workflows.TokenError
		if errors.As(err, &refused) {
			fmt.Println(refused.Kind, refused.Reason, refused.Kind.NeedsPerson())
		}
		return nil
	})
	// Output: needs_reauthorization grant_rejected true
}

// The parent of a workflow that failed for want of a token, or whoever started it, finds the refusal in its failure.
func ExampleAsTokenError() {
	env := newTest(func(context.Context, workflows.TokenRequest) (workflows.AccessToken, error) {
		reason := workflows.ReasonNotFound
		return workflows.AccessToken{}, temporal.NewNonRetryableApplicationError(reason.Sentence(), string(reason), nil)
	})
	env.ExecuteWorkflow(SyncContacts, "con_06eg2v")
	if refused, is := workflows.AsTokenError(env.GetWorkflowError()); is {
		fmt.Println(refused.Kind)
		fmt.Println(refused)
	}
	// Output:
	// not_found
	// There is no such connection.
}

// A workflow that can wait goes on by itself once a person has consented. It gives up after a week.
func ExampleAwaitToken() {
	_ = func(ctx workflow.Context, connectionID string) error {
		_, err := workflows.AwaitToken(ctx, connectionID, workflows.MinLife(time.Minute), workflows.Wait(7*24*time.Hour))
		if err != nil {
			return err // the connection is gone, a week is over, or ctx was cancelled
		}
		ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Hour})
		return workflow.ExecuteActivity(ctx, "ReadContacts", connectionID).Get(ctx, nil) // asks for its tokens itself
	}
}

// Where the caller's own worker has registered activity "Token" (Tokens.Register of package activities), a token costs
// one event. Where it has not, or has no answer, queue "connections" is asked.
func ExampleLocal() {
	_ = func(ctx workflow.Context, connectionID string) (workflows.AccessToken, error) {
		return workflows.Token(ctx, connectionID, workflows.Local())
	}
}

// From another namespace: by an endpoint that operators have made for it, with the namespace of the connections and the
// queue "connections" as its target.
//
//	temporal operator nexus endpoint create --name connections --target-namespace default --target-task-queue connections
func ExampleViaNexus() {
	_ = func(ctx workflow.Context, connectionID string) (workflows.AccessToken, error) {
		return workflows.Token(ctx, connectionID, workflows.ViaNexus("connections"))
	}
}

// Is it worth beginning?
func ExampleStatusViaNexus() {
	_ = func(ctx workflow.Context, connectionID string) error {
		status, err := workflows.StatusViaNexus(ctx, "connections", connectionID)
		if err != nil {
			return err
		}
		workflow.GetLogger(ctx).Info("the connection", "status", status.Status, "message", status.Message)
		return nil
	}
}

// The id of a connection and that of its workflow.
func ExampleWorkflowID() {
	id := workflows.WorkflowID("con_06eg2v")
	fmt.Println(id)
	fmt.Println(workflows.ParseWorkflowID(id))
	// Output:
	// connection/con_06eg2v
	// con_06eg2v <nil>
}

// Every reason has a sentence for people.
func ExampleReason_Sentence() {
	fmt.Println(workflows.ReasonPausedByRequest.Sentence())
	fmt.Println(workflows.RefusalOf(workflows.StatusPaused, workflows.ReasonPausedByRequest))
	// Output:
	// Paused on request: no token is refreshed or handed out until "resume".
	// paused
}
