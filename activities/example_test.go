package activities_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	"github.com/acme/connections/activities"
)

// Integration is an activity struct of another team's.
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
