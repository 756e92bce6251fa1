package main

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/acme/connections/workflows"
)

// Input is that of CallAPI.
type Input struct{ ConnectionID, URL string }

// Result says what came of each call.
type Result struct{ Remote, Local, Client Called }

// Called is what the API answered, to a token of which generation.
type Called struct {
	Status     int
	Generation int64
}

// CallAPI calls an API with a token that queue "connections" handed out, with one that this worker has in its cache,
// and with the client that takes care of it all.
func CallAPI(ctx workflow.Context, in Input) (Result, error) {
	var result Result
	calling := workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: 30 * time.Second})

	// The token that workflow code sees is sealed. It is for an activity to open.
	token, err := workflows.Token(ctx, in.ConnectionID)
	if err != nil {
		return result, err
	}
	var api *API
	if err := workflow.ExecuteActivity(calling, api.CallWith, in, token).Get(ctx, &result.Remote); err != nil {
		return result, err
	}

	token, err = workflows.Token(ctx, in.ConnectionID, workflows.Local(), workflows.MinLife(5*time.Second))
	if err != nil {
		return result, err
	}
	if err := workflow.ExecuteActivity(calling, api.CallWith, in, token).Get(ctx, &result.Local); err != nil {
		return result, err
	}

	err = workflow.ExecuteActivity(calling, api.Call, in).Get(ctx, &result.Client)
	return result, err
}
