package activities

import (
	"context"
	"strings"
	"time"

	"github.com/nexus-rpc/sdk-go/nexus"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporalnexus"

	"github.com/acme/connections/internal/vault"
)

// The ways by which a [HandOut] hands out, as the audit names them.
const (
	tierActivity = "activity"
	tierNexus    = "nexus"
)

// asker is who asks a [HandOut], as far as Temporal tells: nothing here is taken from what the caller passed.
type asker struct {
	who, tier string
	// owner limits what can be asked for to one owner's connections; empty for all.
	owner string
}

// mayHave reports whether a connection of that owner is there for the asker, who asks for one of the wanted owner's
// (empty for anybody's).
func (a asker) mayHave(wanted, owner string) bool {
	return (a.owner == "" || a.owner == owner) && (wanted == "" || wanted == owner)
}

// handout is one hand-out for the audit.
func (a asker) handout(id string, at time.Time) vault.Handout {
	return vault.Handout{ConnectionID: id, Who: a.who, Tier: a.tier, Count: 1, First: at, Last: at}
}

// activityAsker is the type of the workflow that runs the activity, in its namespace. Its task queue is not told, and
// its id would make a row of the audit for each run.
func activityAsker(ctx context.Context) asker {
	info := activity.GetInfo(ctx)
	who := part(info.Namespace)
	if info.WorkflowType != nil {
		who += "/" + part(info.WorkflowType.Name)
	}
	return asker{who: who, tier: tierActivity}
}

// nexusAsker is the caller's namespace, as the server's link to the calling workflow has it, and the endpoint, which
// servers tell from 1.30 on.
func nexusAsker(ctx context.Context, links []nexus.Link, owner string) asker {
	who := "unknown"
	for _, link := range links {
		if event, err := temporalnexus.ConvertNexusLinkToLinkWorkflowEvent(link); err == nil && event.GetNamespace() != "" {
			who = part(event.GetNamespace())
			break
		}
	}
	if temporalnexus.IsNexusOperation(ctx) {
		if endpoint := temporalnexus.GetOperationInfo(ctx).Endpoint; endpoint != "" {
			who += " via " + part(endpoint)
		}
	}
	return asker{who: who, tier: tierNexus, owner: owner}
}

// part is one part of a name that the audit keeps, short enough for both to be there.
func part(name string) string {
	const longest = 95
	if len(name) > longest {
		name = name[:longest]
	}
	return strings.ToValidUTF8(name, "")
}
