package activities_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"golang.org/x/oauth2"

	"github.com/acme/connections/activities"
	"github.com/acme/connections/workflows"
)

// Integration is an activity struct of another team's. See internal/sample for a whole one: pages, heartbeats, 429s.
type Integration struct{ Tokens *activities.Tokens }

// CountContacts is an activity that calls an API with a connection's token. Its errors need no handling: those of the
// token are retried by Temporal, or not, as each says.
func (i *Integration) CountContacts(ctx context.Context, connectionID, address string) (int64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, err
	}
	response, err := i.Tokens.HTTPClient(ctx, connectionID).Do(request)
	if err != nil {
		return 0, activities.TemporalError(err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("the API answered %s", response.Status)
	}
	return io.Copy(io.Discard, response.Body)
}

// Open once per process, give it to the activities, and close it after the worker has stopped.
func ExampleOpen() {
	ctx := context.Background()
	tokens, err := activities.Open(ctx, activities.Config{Owner: "acme", Caller: "crm-sync"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = tokens.Close() }()

	temporal, err := client.Dial(client.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer temporal.Close()
	w := worker.New(temporal, "crm-sync", worker.Options{}) // the team's own task queue
	w.RegisterActivity(&Integration{Tokens: tokens})
	if err := w.Run(worker.InterruptCh()); err != nil {
		fmt.Println(err)
	}
}

// A token that must outlive a long upload, and what to do when there is none.
func ExampleTokens_Token() {
	var tokens *activities.Tokens // of Open
	ctx := context.Background()

	token, err := tokens.Token(ctx, "con_06eg2v", activities.MinLife(5*time.Minute))
	var (
		needs *activities.NeedsReauthorization
		away  *activities.TemporarilyUnavailable
	)
	switch {
	case errors.As(err, &needs):
		fmt.Println("send the person to", needs.ConnectURL)
	case errors.As(err, &away):
		fmt.Println("try again in", away.RetryAfter)
	case err != nil:
		fmt.Println(err)
	default:
		fmt.Println("generation", token.Generation(), "lives until", token.ExpiresAt())
	}
}

// Every SDK that takes an oauth2.TokenSource takes this one.
func ExampleTokens_TokenSource() {
	var tokens *activities.Tokens // of Open
	source := tokens.TokenSource(context.Background(), "con_06eg2v")
	// For instance: sheets.NewService(ctx, option.WithTokenSource(source))
	_ = source
}

// A client whose requests carry the token. What goes wrong with the token comes out of Do inside an *url.Error:
// TemporalError takes it out, so that Temporal sees whether to retry.
func ExampleTokens_HTTPClient() {
	var tokens *activities.Tokens // of Open
	_ = func(ctx context.Context, connectionID string) error {
		ctx, cancel := context.WithTimeout(ctx, 20*time.Second) // the client has no limit of its own
		defer cancel()
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://api.crm.example/contacts", nil)
		if err != nil {
			return err
		}
		response, err := tokens.HTTPClient(ctx, connectionID).Do(request)
		if err != nil {
			return activities.TemporalError(err)
		}
		return response.Body.Close()
	}
}

// A transport of one's own lies below the client: a proxy, tracing, a limit.
func ExampleTokens_HTTPClient_transport() {
	var tokens *activities.Tokens // of Open
	below := &http.Client{Transport: &http.Transport{ResponseHeaderTimeout: 10 * time.Second}}
	ctx := context.WithValue(context.Background(), oauth2.HTTPClient, below)
	_ = func(connectionID string) *http.Client { return tokens.HTTPClient(ctx, connectionID) }
}

// An activity that is handed a sealed token by its workflow.
func ExampleTokens_OpenSealed() {
	var tokens *activities.Tokens // of Open
	_ = func(ctx context.Context, connectionID string, sealed workflows.AccessToken) error {
		token, err := tokens.OpenSealed(ctx, connectionID, sealed)
		if err != nil {
			return err
		}
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://api.crm.example/contacts", nil)
		if err != nil {
			return err
		}
		request.Header.Set("Authorization", token.Type()+" "+token.Reveal())
		return nil // …
	}
}

// With the activity "Token" in the caller's own worker, workflows.Token with workflows.Local costs one event of history.
func ExampleTokens_Register() {
	var tokens *activities.Tokens // of Open
	_ = func(w worker.Worker) { tokens.Register(w) }
}

// The errors say what to do, and none says a secret: the link is in a field, for the one person whom it is for.
func ExampleNeedsReauthorization() {
	var err error = &activities.NeedsReauthorization{
		ConnectionID: "con_06eg2v", Reason: workflows.ReasonGrantRejected, ConnectURL: "https://connect.example/…",
	}
	err = fmt.Errorf("sync contacts: %w", err)

	var needs *activities.NeedsReauthorization
	if errors.As(err, &needs) {
		fmt.Println(err)
		fmt.Println("mail the link", needs.ConnectURL)
	}
	// Output:
	// sync contacts: connection con_06eg2v needs a person's consent (grant_rejected)
	// mail the link https://connect.example/…
}

// What Temporal is told of an error that an SDK has wrapped.
func ExampleTemporalError() {
	away := &activities.TemporarilyUnavailable{ConnectionID: "con_06eg2v", Reason: workflows.ReasonProviderUnavailable}
	// As the methods of Tokens return it, and as package net/http then wraps it:
	returned := temporal.NewApplicationErrorWithCause("The provider is away.", string(away.Reason), away)
	wrapped := &url.Error{Op: "Get", URL: "https://api.crm.example/contacts?email=someone", Err: returned}

	fmt.Println(activities.TemporalError(wrapped))
	fmt.Println(activities.TemporalError(errors.New("something else")))
	// Output:
	// The provider is away. (type: provider_unavailable, retryable: true): connection con_06eg2v has no live token now (provider_unavailable)
	// something else
}

// Tokens print as what they are not.
func ExampleToken() {
	var token activities.Token
	fmt.Println(token)
	fmt.Printf("%#v\n", token)
	// Output:
	// [redacted]
	// [redacted]
}

// With the interceptor, errors of tokens are retried rightly even where an SDK wraps them.
func ExampleTokenErrors() {
	options := worker.Options{}
	options.Interceptors = append(options.Interceptors, activities.TokenErrors())
	fmt.Println(len(options.Interceptors))
	// Output: 1
}
