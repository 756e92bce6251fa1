// Package sample is an integration to copy from: workflows of somebody who reads contacts from a provider's API with
// the tokens of a connection. Like other teams' code it imports nothing of this module but packages activities and
// workflows. "starter sample" runs it against the sandbox of "worker --dev", whose API revokes tokens before their time
// and throttles.
//
//   - [Contacts] is the everyday case: one workflow, one activity, no word about tokens but HTTPClient.
//   - [Await] is for work that can wait for a person: it parks until the connection is mended, for days if need be.
package sample

import (
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/acme/connections/activities"
)

// Names of the sample's contract. Naming them, rather than letting the SDK do it, lets functions be renamed while
// workflows run.
const (
	TaskQueue        = "sample"
	TypeContacts     = "SampleContacts"
	TypeAwait        = "SampleAwait"
	ActivityContacts = "ReadContacts"
)

// Input is that of both workflows.
type Input struct {
	// ConnectionID is whose contacts are read: "con_…".
	ConnectionID string `json:"connection_id"`
	// URL is the contacts API: pages of {"contacts": […], "next_page_token": "…"}.
	URL string `json:"url"`
}

// Report is what became of it: how many contacts on how many pages, and what was met on the way.
type Report struct {
	Contacts int `json:"contacts"`
	Pages    int `json:"pages"`
	// Unauthorized and Throttled count the answers 401 and 429, Refreshes the new tokens.
	Unauthorized int   `json:"unauthorized"`
	Throttled    int   `json:"throttled"`
	Refreshes    int64 `json:"refreshes"`
}

// Register registers all of it in a worker. The tokens are those of [activities.Open].
func Register(w worker.Registry, tokens *activities.Tokens) {
	w.RegisterWorkflowWithOptions(Contacts, workflow.RegisterOptions{Name: TypeContacts})
	w.RegisterWorkflowWithOptions(Await, workflow.RegisterOptions{Name: TypeAwait})
	a := &reader{tokens: tokens}
	w.RegisterActivityWithOptions(a.ReadContacts, activity.RegisterOptions{Name: ActivityContacts})
}
