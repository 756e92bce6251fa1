package main

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"time"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/acme/connections/workflows"
)

// registerAttributes makes sure that the namespace knows the search attributes of the contract.
func registerAttributes(ctx context.Context, c client.Client, namespace string) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	missing := make(map[string]enums.IndexedValueType)
	for _, name := range workflows.SearchAttributes() {
		missing[name] = enums.INDEXED_VALUE_TYPE_KEYWORD
	}
	names := strings.Join(workflows.SearchAttributes(), ", ")
	operator := c.OperatorService()
	listed, err := operator.ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: namespace})
	if err != nil {
		return fmt.Errorf("cannot read the search attributes of namespace %q: is there such a namespace, and may this client see it?", namespace)
	}
	maps.DeleteFunc(missing, func(name string, kind enums.IndexedValueType) bool {
		return listed.GetCustomAttributes()[name] == kind
	})
	if len(missing) == 0 {
		return nil
	}
	if _, err := operator.AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{Namespace: namespace, SearchAttributes: missing}); err != nil {
		return fmt.Errorf("namespace %q lacks search attributes, and they could not be added: register %s as Keyword (\"temporal operator search-attribute create\", or in Temporal Cloud's settings)", namespace, names)
	}
	return nil
}
