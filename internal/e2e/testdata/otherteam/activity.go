package main

import (
	"context"
	"net/http"

	"github.com/acme/connections/activities"
	"github.com/acme/connections/workflows"
)

// API is the activities.
type API struct{ tokens *activities.Tokens }

// CallWith calls the API with a token of the workflow's.
func (a *API) CallWith(ctx context.Context, in Input, sealed workflows.AccessToken) (Called, error) {
	token, err := a.tokens.OpenSealed(ctx, in.ConnectionID, sealed)
	if err != nil {
		return Called{}, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, in.URL, nil)
	if err != nil {
		return Called{}, err
	}
	request.Header.Set("Authorization", token.Type()+" "+token.Reveal())
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return Called{}, err
	}
	return Called{Status: response.StatusCode, Generation: token.Generation()}, response.Body.Close()
}

// Call calls the API in the usual way.
func (a *API) Call(ctx context.Context, in Input) (Called, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, in.URL, nil)
	if err != nil {
		return Called{}, err
	}
	response, err := a.tokens.HTTPClient(ctx, in.ConnectionID).Do(request)
	if err != nil {
		return Called{}, err
	}
	return Called{Status: response.StatusCode}, response.Body.Close()
}
