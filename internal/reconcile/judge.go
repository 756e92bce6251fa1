package reconcile

import (
	"time"

	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// facts is what Temporal knows of a connection.
type facts struct {
	open  bool
	runID string
	// status and reason are the search attributes of the last run; completed says that it ended by itself.
	status, reason string
	completed      bool
	// asked says that the workflow was queried; answer is nil if it did not answer.
	asked  bool
	answer *answer
}

// answer is what an open workflow says of itself.
type answer struct {
	Status     workflows.ConnectionStatus `json:"status"`
	Reason     workflows.Reason           `json:"reason"`
	Since      time.Time                  `json:"since"`
	Generation int64                      `json:"generation"`
	// StatusSeq is nil if a worker of an older version has answered.
	StatusSeq *int64 `json:"status_seq"`
}

// verdict is what is wrong with a connection, and what to do about it: to write a status, to end the workflow's run,
// and to start a new one, in this order.
type verdict struct {
	kind      workflows.ReconcileKind
	act       workflows.ReconcileAct
	set       *vault.StatusChange
	terminate bool
	start     bool
	// young says that it was left alone for that.
	young bool
	// tokensBehind says that the row's tokens are older than the workflow's.
	tokensBehind bool
}

// judge is the reconciler's rule, the same for every connection. It is given the row and the facts as they are read
// just before.
func judge(row vault.Connection, w facts, now time.Time, includeYoung bool) verdict {
	status := workflows.ConnectionStatus(row.Status)
	switch {
	case !includeYoung && isYoung(row, now):
		return verdict{young: true}
	case !w.open && status.Ended():
		return verdict{}
	case !w.open:
		return missing(row, w, now)
	case status == workflows.StatusDisconnected:
		return verdict{kind: workflows.FoundRowEnded, act: workflows.ActEnded, terminate: true}
	case !w.asked:
		return verdict{}
	case w.answer == nil || w.answer.StatusSeq == nil:
		return verdict{kind: workflows.FoundUnanswered, act: workflows.ActFailed}
	case !includeYoung && now.Sub(w.answer.Since) < minAge:
		return verdict{young: true}
	default:
		return disagreement(row, *w.answer, now)
	}
}

// isYoung reports whether a row was made, or changed its status, so recently that its workflow may be about to follow.
func isYoung(row vault.Connection, now time.Time) bool {
	return now.Sub(row.CreatedAt) < minAge || now.Sub(row.StatusAt) < minAge
}

// missing judges a live row without an open workflow.
func missing(row vault.Connection, w facts, now time.Time) verdict {
	v := verdict{kind: workflows.FoundWorkflowMissing, act: workflows.ActStarted, start: true}
	switch status := workflows.ConnectionStatus(row.Status); {
	case status == workflows.StatusDisconnecting:
		v.kind = workflows.FoundDisconnectUnfinished
	case w.completed && w.status == string(workflows.StatusDisconnected):
		// Nobody takes back a disconnect: the row can only be from before.
		v.kind = workflows.FoundDisconnectForgotten
		v.set = change(row, workflows.StatusDisconnecting, workflows.ReasonDisconnectRequest, row.StatusSeq+1, now)
	case status == workflows.StatusPending && !now.Before(connections.ConsentDeadline(row)):
		// Its new workflow finds the deadline gone, and expires.
		v.kind, v.act = workflows.FoundConsentOverdue, workflows.ActEnded
	}
	return v
}

// disagreement judges a row whose workflow runs, by what that says. Both number the changes of status: the higher
// number is the newer, as long as neither was restored. A workflow that was counts on from an older number, so that the
// vault would drop its changes; it is replaced by one that goes on from the newer of the two.
func disagreement(row vault.Connection, a answer, now time.Time) verdict {
	status, seq := workflows.ConnectionStatus(row.Status), *a.StatusSeq
	same := a.Status == status && string(a.Reason) == row.Reason
	behind := a.Generation > row.Generation && row.Generation > 0
	repaired := verdict{kind: workflows.FoundRowBehind, act: workflows.ActRepaired, tokensBehind: behind}
	switch {
	case a.Status.Ended():
		return verdict{} // it is just ending
	case a.Status == workflows.StatusDisconnecting && status != workflows.StatusDisconnecting:
		// Nobody takes back a disconnect, whatever the numbers say: reads are to be refused.
		repaired.set = change(row, a.Status, a.Reason, max(seq, row.StatusSeq+1), a.Since)
		return repaired
	case a.Generation > 0 && row.Generation == 0 && a.Status != workflows.StatusPending && a.Status != workflows.StatusDisconnecting:
		return tokensLost(row, seq, now)
	case seq > row.StatusSeq && !same:
		repaired.set = change(row, a.Status, a.Reason, seq, a.Since)
		return repaired
	case seq > row.StatusSeq, seq == row.StatusSeq && same:
		if behind {
			return verdict{kind: workflows.FoundTokensBehind, act: workflows.ActNoted}
		}
		return verdict{}
	case status == workflows.StatusExpired:
		return verdict{kind: workflows.FoundRowEnded, act: workflows.ActEnded, terminate: true}
	default:
		v := verdict{kind: workflows.FoundWorkflowBehind, act: workflows.ActRestarted, terminate: true, start: true, tokensBehind: behind}
		if !same && status != workflows.StatusDisconnecting && a.Since.After(row.StatusAt) {
			v.set = change(row, a.Status, a.Reason, row.StatusSeq+1, a.Since)
		}
		return v
	}
}

// tokensLost judges a row from before its connection had tokens: what can be had without a person is asked for.
func tokensLost(row vault.Connection, seq int64, now time.Time) verdict {
	v := verdict{kind: workflows.FoundTokensLost, act: workflows.ActRestarted, terminate: true, start: true}
	status, reason := workflows.StatusNeedsReauth, workflows.ReasonTokensLost
	if row.Grant == string(workflows.GrantClientCredentials) {
		status, reason = workflows.StatusPending, workflows.ReasonNone
	}
	v.set = change(row, status, reason, max(seq, row.StatusSeq)+1, now)
	return v
}

func change(row vault.Connection, status workflows.ConnectionStatus, reason workflows.Reason, seq int64, at time.Time) *vault.StatusChange {
	return &vault.StatusChange{ID: row.ID, Status: string(status), Reason: string(reason), Seq: seq, At: at}
}
