package devserver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
)

// probe waits for a server to serve what the options ask for.
type probe struct {
	pid                           int
	address, uiAddress, namespace string
	attributes                    []string
}

// errNoNamespace says that a healthy server lacks the namespace; only a new start makes it.
var errNoNamespace = errors.New("the server lacks the namespace")

// wait returns nil as soon as all is there. ctx bounds it.
func (p probe) wait(ctx context.Context) error {
	// First the bare port: a failed gRPC connection would be retried after a second only.
	for _, address := range []string{p.address, p.uiAddress} {
		if address == "" {
			continue
		}
		if err := retry(ctx, func(ctx context.Context) error { return p.dial(ctx, address) }); err != nil {
			return fmt.Errorf("nothing answers at %s: %w", address, err)
		}
	}
	c, err := client.NewLazyClient(client.Options{
		HostPort:  p.address,
		Namespace: p.namespace,
		Logger:    log.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	})
	if err != nil {
		return fmt.Errorf("make a client for %s: %w", p.address, err)
	}
	defer c.Close()
	if err := retry(ctx, func(ctx context.Context) error { return p.check(ctx, c) }); err != nil {
		return fmt.Errorf("the Temporal server at %s is not ready: %w", p.address, err)
	}
	return nil
}

func (p probe) check(ctx context.Context, c client.Client) error {
	if _, err := c.CheckHealth(ctx, &client.CheckHealthRequest{}); err != nil {
		return err
	}
	_, err := c.WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: p.namespace})
	var notFound *serviceerror.NamespaceNotFound
	if errors.As(err, &notFound) {
		return errNoNamespace
	}
	if err != nil {
		return err
	}
	return p.checkAttributes(ctx, c.OperatorService())
}

// checkAttributes registers what is missing: at its start the server gives attributes to new namespaces only.
func (p probe) checkAttributes(ctx context.Context, operator operatorservice.OperatorServiceClient) error {
	if len(p.attributes) == 0 {
		return nil
	}
	list, err := operator.ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: p.namespace})
	if err != nil {
		return err
	}
	missing := map[string]enums.IndexedValueType{}
	for _, name := range p.attributes {
		if _, ok := list.GetCustomAttributes()[name]; !ok {
			missing[name] = enums.INDEXED_VALUE_TYPE_KEYWORD
		}
	}
	if len(missing) == 0 {
		return nil
	}
	if _, err = operator.AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{
		Namespace: p.namespace, SearchAttributes: missing,
	}); err != nil {
		return err
	}
	return fmt.Errorf("search attributes %v were missing", slices.Sorted(maps.Keys(missing)))
}

// dial connects to a port of the server, and of nobody else.
func (p probe) dial(ctx context.Context, address string) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	if err := conn.Close(); err != nil {
		return err
	}
	if !listens(p.pid, portOf(address)) {
		return errors.New("another program has the port")
	}
	return nil
}

// retry calls f until it succeeds, ctx ends, or the namespace is missing. Each call is bounded.
func retry(ctx context.Context, f func(context.Context) error) error {
	var last error
	for {
		once, cancel := context.WithTimeout(ctx, 3*time.Second)
		err := f(once)
		cancel()
		if err == nil || errors.Is(err, errNoNamespace) {
			return err
		}
		if last == nil || ctx.Err() == nil { // a call that ctx cut short tells nothing
			last = err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w (last: %w)", context.Cause(ctx), last)
		case <-time.After(25 * time.Millisecond):
		}
	}
}
