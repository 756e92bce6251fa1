package workflows

import (
	"fmt"
	"slices"
	"strings"
)

// ReconcileKind is what the reconciler found: a code from one closed table.
type ReconcileKind string

// The closed table of kinds.
const (
	// FoundWorkflowMissing: a live connection has no open workflow.
	FoundWorkflowMissing ReconcileKind = "workflow_missing"
	// FoundConsentOverdue: a pending connection has no workflow to say that its consent never came.
	FoundConsentOverdue ReconcileKind = "consent_overdue"
	// FoundDisconnectUnfinished: a disconnect was promised, and no workflow is at it.
	FoundDisconnectUnfinished ReconcileKind = "disconnect_unfinished"
	// FoundDisconnectForgotten: the workflow has disconnected, and the row, restored from before, lives again.
	FoundDisconnectForgotten ReconcileKind = "disconnect_forgotten"
	// FoundRowMissing: a workflow runs for a connection that the vault does not have.
	FoundRowMissing ReconcileKind = "row_missing"
	// FoundRowEnded: a workflow runs for a connection that has ended.
	FoundRowEnded ReconcileKind = "row_ended"
	// FoundRowBehind: the row's status is older than the workflow's.
	FoundRowBehind ReconcileKind = "row_behind"
	// FoundWorkflowBehind: the workflow's count of status changes is behind the row's, so that its next ones would be lost.
	FoundWorkflowBehind ReconcileKind = "workflow_behind"
	// FoundTokensLost: the workflow has had tokens, and the row, restored from before, has none.
	FoundTokensLost ReconcileKind = "tokens_lost"
	// FoundTokensBehind: the row, restored from before, holds an older token set than the workflow had.
	FoundTokensBehind ReconcileKind = "tokens_behind"
	// FoundCallbackLost: an authorization code was stored, and nothing came of it.
	FoundCallbackLost ReconcileKind = "callback_lost"
	// FoundUnanswered: the workflow does not answer.
	FoundUnanswered ReconcileKind = "unanswered"
	// FoundTombstone, FoundLink, FoundRequest, FoundCode and FoundHandout: what is over.
	FoundTombstone ReconcileKind = "tombstone_over"
	FoundLink      ReconcileKind = "link_over"
	FoundRequest   ReconcileKind = "request_over"
	FoundCode      ReconcileKind = "code_over"
	FoundHandout   ReconcileKind = "handout_over"
)

// kindSentences says of each kind what was found.
func kindSentences() map[ReconcileKind]string {
	return map[ReconcileKind]string{
		FoundWorkflowMissing:      "The connection has no workflow.",
		FoundConsentOverdue:       "Nobody consented in time, and no workflow is there to say so.",
		FoundDisconnectUnfinished: "A disconnect was promised, and no workflow is at it.",
		FoundDisconnectForgotten:  "The connection was disconnected, and the vault is from before that.",
		FoundRowMissing:           "A workflow runs for a connection that the vault does not have.",
		FoundRowEnded:             "A workflow runs for a connection that has ended.",
		FoundRowBehind:            "The row's status is older than the workflow's.",
		FoundWorkflowBehind:       "The workflow is older than the row: was Temporal restored to an earlier moment?",
		FoundTokensLost:           "The connection had tokens, and the vault is from before that.",
		FoundTokensBehind:         "The vault holds older tokens than there have been: was it restored? The next renewal shows whether the provider still takes them.",
		FoundCallbackLost:         "An authorization code came, and nothing came of it.",
		FoundUnanswered:           "The workflow does not answer: its page in the Temporal UI says why.",
		FoundTombstone:            "The connection was disconnected long ago.",
		FoundLink:                 "The connect link expired long ago.",
		FoundRequest:              "The authorization request expired long ago.",
		FoundCode:                 "Nobody exchanged the authorization code while it lived.",
		FoundHandout:              "The audit has kept for long enough who was handed these tokens.",
	}
}

// actSentences says of each act what was done.
func actSentences() map[ReconcileAct]string {
	return map[ReconcileAct]string{
		ActStarted:   "A new workflow goes on from the vault.",
		ActRestarted: "A new workflow goes on from the newer of the two.",
		ActEnded:     "It is ended.",
		ActRepaired:  "The newer status is written.",
		ActResent:    "The workflow is told again.",
		ActRemoved:   "It is removed.",
		ActNoted:     "There is nothing to do.",
		ActHeld:      "There are too many to end them unasked: is this the right vault? \"starter reconcile --end-orphans\" ends them.",
		ActFailed:    "That could not be mended; the next run tries again.",
	}
}

// ReconcileKinds lists the closed table in no particular order.
func ReconcileKinds() []ReconcileKind {
	var all []ReconcileKind
	for kind := range kindSentences() { //workflowcheck:ignore the order is the caller's concern, and no workflow calls this
		all = append(all, kind)
	}
	return all
}

// ReconcileAct is what the reconciler did about what it found.
type ReconcileAct string

// The acts.
const (
	ActStarted   ReconcileAct = "started"
	ActRestarted ReconcileAct = "restarted"
	ActEnded     ReconcileAct = "ended"
	ActRepaired  ReconcileAct = "repaired"
	ActResent    ReconcileAct = "resent"
	ActRemoved   ReconcileAct = "removed"
	// ActNoted: there is nothing to do.
	ActNoted ReconcileAct = "noted"
	// ActHeld: there are too many to do it unasked.
	ActHeld ReconcileAct = "held"
	// ActFailed: it could not be done, and is tried again next time.
	ActFailed ReconcileAct = "failed"
)

// ReconcileActs lists the closed table in no particular order.
func ReconcileActs() []ReconcileAct {
	var all []ReconcileAct
	for act := range actSentences() { //workflowcheck:ignore the order is the caller's concern, and no workflow calls this
		all = append(all, act)
	}
	return all
}

// ReconcileFinding is all that was found of one kind, and done in one way.
type ReconcileFinding struct {
	Kind  ReconcileKind `json:"kind"`
	Act   ReconcileAct  `json:"act"`
	Count int64         `json:"count"`
	// Examples are up to ten ids of connections.
	Examples []string `json:"examples,omitempty"`
	// Message says in two sentences what was found and what is done about it.
	Message string `json:"message"`
}

// ReconcileReport is the result of workflow "Reconcile". It holds ids and numbers, and no secrets.
type ReconcileReport struct {
	// DryRun says that nothing was done: the report is what would have been.
	DryRun bool `json:"dry_run"`
	// Deep says that every workflow was asked, and not only those that looked wrong.
	Deep bool `json:"deep"`
	// Rows and Workflows are how many were looked at, Young how many of the rows were left alone for being young.
	Rows      int64 `json:"rows"`
	Workflows int64 `json:"workflows"`
	Young     int64 `json:"young"`
	// The acts, each counted over all findings. Noted and held ones are in the findings only.
	Started   int64 `json:"started"`
	Restarted int64 `json:"restarted"`
	Ended     int64 `json:"ended"`
	Repaired  int64 `json:"repaired"`
	Resent    int64 `json:"resent"`
	Removed   int64 `json:"removed"`
	Failed    int64 `json:"failed"`
	// Findings are in order of kind and act.
	Findings []ReconcileFinding `json:"findings"`
}

const maxExamples = 10

// Add enters one connection.
func (r *ReconcileReport) Add(kind ReconcileKind, act ReconcileAct, id string) {
	r.add(ReconcileFinding{Kind: kind, Act: act, Count: 1, Examples: []string{id}})
}

// AddCount enters so many that have no id; none leave no trace.
func (r *ReconcileReport) AddCount(kind ReconcileKind, act ReconcileAct, count int64) {
	if count > 0 {
		r.add(ReconcileFinding{Kind: kind, Act: act, Count: count})
	}
}

// Merge enters what another report has.
func (r *ReconcileReport) Merge(other ReconcileReport) {
	r.Rows, r.Workflows, r.Young = r.Rows+other.Rows, r.Workflows+other.Workflows, r.Young+other.Young
	for _, finding := range other.Findings {
		r.add(finding)
	}
}

func (r *ReconcileReport) add(f ReconcileFinding) {
	if total := r.total(f.Act); total != nil {
		*total += f.Count
	}
	at, found := slices.BinarySearchFunc(r.Findings, f, func(a, b ReconcileFinding) int {
		return strings.Compare(string(a.Kind)+" "+string(a.Act), string(b.Kind)+" "+string(b.Act))
	})
	if !found {
		message := kindSentences()[f.Kind] + " " + actSentences()[f.Act]
		r.Findings = slices.Insert(r.Findings, at, ReconcileFinding{Kind: f.Kind, Act: f.Act, Message: message})
	}
	into := &r.Findings[at]
	into.Count += f.Count
	room := min(maxExamples-len(into.Examples), len(f.Examples))
	into.Examples = append(into.Examples, f.Examples[:room]...)
}

func (r *ReconcileReport) total(act ReconcileAct) *int64 {
	switch act {
	case ActStarted:
		return &r.Started
	case ActRestarted:
		return &r.Restarted
	case ActEnded:
		return &r.Ended
	case ActRepaired:
		return &r.Repaired
	case ActResent:
		return &r.Resent
	case ActRemoved:
		return &r.Removed
	case ActFailed:
		return &r.Failed
	case ActNoted, ActHeld:
	}
	return nil
}

// Of counts what was found of one kind and done in one way.
func (r ReconcileReport) Of(kind ReconcileKind, act ReconcileAct) int64 {
	for _, f := range r.Findings {
		if f.Kind == kind && f.Act == act {
			return f.Count
		}
	}
	return 0
}

// Summary is the report in one line.
func (r ReconcileReport) Summary() string {
	var done []string
	for _, f := range r.Findings {
		done = append(done, fmt.Sprintf("%s: %d %s", f.Kind, f.Count, f.Act))
	}
	if r.Young > 0 {
		done = append(done, fmt.Sprintf("%d young left alone", r.Young))
	}
	if done == nil {
		done = []string{"all is well"}
	}
	prefix := ""
	if r.DryRun {
		prefix = "dry run, "
	}
	return fmt.Sprintf("%s%d rows and %d workflows: %s", prefix, r.Rows, r.Workflows, strings.Join(done, ", "))
}
