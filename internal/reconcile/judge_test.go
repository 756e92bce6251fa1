package reconcile

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// now is some moment; what is old has been so for a day.
func now() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

// row is an old one, of an active connection at generation 5, after the fifth change of its status.
func row(mod ...func(*vault.Connection)) vault.Connection {
	c := vault.Connection{
		ID: "con_1", Grant: "authorization_code", Status: "active", StatusSeq: 5, Generation: 5,
		CreatedAt: now().Add(-25 * time.Hour), StatusAt: now().Add(-25 * time.Hour),
	}
	for _, m := range mod {
		m(&c)
	}
	return c
}

func in(status, reason string, seq int64) func(*vault.Connection) {
	return func(c *vault.Connection) { c.Status, c.Reason, c.StatusSeq = status, reason, seq }
}

func generation(n int64) func(*vault.Connection) {
	return func(c *vault.Connection) { c.Generation = n }
}

func changed(ago time.Duration) func(*vault.Connection) {
	return func(c *vault.Connection) { c.StatusAt = now().Add(-ago) }
}

// says is an open workflow that was asked.
func says(status, reason string, seq, generation int64, mod ...func(*facts)) facts {
	w := facts{open: true, asked: true, answer: &answer{
		Status: workflows.ConnectionStatus(status), Reason: workflows.Reason(reason), StatusSeq: &seq, Generation: generation,
		Since: now().Add(-24 * time.Hour),
	}}
	for _, m := range mod {
		m(&w)
	}
	return w
}

func since(ago time.Duration) func(*facts) {
	return func(w *facts) { w.answer.Since = now().Add(-ago) }
}

// completed is a workflow that has ended by itself.
func completed(status string) facts { return facts{completed: true, status: status} }

func TestJudge(t *testing.T) {
	t.Parallel()
	running := facts{open: true}
	type found struct {
		kind             workflows.ReconcileKind
		act              workflows.ReconcileAct
		set              string
		seq              int64
		terminate, start bool
		tokensBehind     bool
	}
	nothing := found{}
	start := func(kind workflows.ReconcileKind) found {
		return found{kind: kind, act: workflows.ActStarted, start: true}
	}
	restart := found{kind: workflows.FoundWorkflowBehind, act: workflows.ActRestarted, terminate: true, start: true}
	restartAs := func(status string, seq int64) found {
		f := restart
		f.set, f.seq = status, seq
		return f
	}
	repair := func(status string, seq int64) found {
		return found{kind: workflows.FoundRowBehind, act: workflows.ActRepaired, set: status, seq: seq}
	}
	end := found{kind: workflows.FoundRowEnded, act: workflows.ActEnded, terminate: true}
	lost := func(status string, seq int64) found {
		return found{kind: workflows.FoundTokensLost, act: workflows.ActRestarted, set: status, seq: seq, terminate: true, start: true}
	}
	machine := func(c *vault.Connection) { c.Grant = "client_credentials" }
	for name, c := range map[string]struct {
		row  vault.Connection
		w    facts
		want found
	}{
		"runs, and nobody doubts it":       {row(), running, nothing},
		"runs, and agrees":                 {row(), says("active", "", 5, 5), nothing},
		"tombstone":                        {row(in("disconnected", "", 9)), facts{}, nothing},
		"expired":                          {row(in("expired", "", 9)), completed("expired"), nothing},
		"missing":                          {row(), facts{}, start(workflows.FoundWorkflowMissing)},
		"cancelled or terminated":          {row(), facts{status: "active"}, start(workflows.FoundWorkflowMissing)},
		"missing while it needs a person":  {row(in("needs_reauth", "grant_rejected", 9)), facts{}, start(workflows.FoundWorkflowMissing)},
		"missing while paused":             {row(in("paused", "", 9)), facts{}, start(workflows.FoundWorkflowMissing)},
		"never started":                    {row(in("pending", "", 0), generation(0), changed(23*time.Hour)), facts{}, start(workflows.FoundWorkflowMissing)},
		"never started, and its time over": {row(in("pending", "", 0), generation(0)), facts{}, found{kind: workflows.FoundConsentOverdue, act: workflows.ActEnded, start: true}},
		"revived, and not started":         {row(in("pending", "", 2), changed(23*time.Hour)), completed("expired"), start(workflows.FoundWorkflowMissing)},
		"disconnect unfinished":            {row(in("disconnecting", "", 9)), facts{status: "disconnecting"}, start(workflows.FoundDisconnectUnfinished)},
		"disconnect forgotten":             {row(), completed("disconnected"), found{kind: workflows.FoundDisconnectForgotten, act: workflows.ActStarted, set: "disconnecting", seq: 6, start: true}},
		"disconnect unfinished, says the row": {
			row(in("disconnecting", "", 9)), completed("disconnected"), start(workflows.FoundDisconnectUnfinished),
		},
		"consent given in an older Temporal's future": {row(), completed("expired"), start(workflows.FoundWorkflowMissing)},

		"tombstone, and it runs":                  {row(in("disconnected", "", 9)), says("active", "", 5, 5), end},
		"tombstone, and it was not asked":         {row(in("disconnected", "", 9)), running, end},
		"expired, and it is behind":               {row(in("expired", "", 1), generation(0)), says("pending", "", 0, 0), end},
		"expired, and it was revived since":       {row(in("expired", "", 1), generation(0)), says("pending", "", 3, 0), repair("pending", 3)},
		"expired, and it has had tokens since":    {row(in("expired", "", 1), generation(0)), says("active", "", 4, 2), lost("needs_reauth", 5)},
		"it is just ending":                       {row(), says("disconnected", "", 7, 5), nothing},
		"no answer":                               {row(), facts{open: true, asked: true}, found{kind: workflows.FoundUnanswered, act: workflows.ActFailed}},
		"an older worker's answer has no number":  {row(), facts{open: true, asked: true, answer: &answer{Status: "paused"}}, found{kind: workflows.FoundUnanswered, act: workflows.ActFailed}},
		"row behind":                              {row(), says("degraded", "provider_unavailable", 6, 5), repair("degraded", 6)},
		"row behind in its reason":                {row(in("degraded", "reply_lost", 5)), says("degraded", "provider_unavailable", 6, 5), repair("degraded", 6)},
		"row behind in its number alone":          {row(), says("active", "", 7, 5), nothing},
		"row behind in its tokens alone":          {row(), says("active", "", 5, 7), found{kind: workflows.FoundTokensBehind, act: workflows.ActNoted}},
		"row behind in both":                      {row(), says("needs_reauth", "rotation_lost", 8, 7), found{kind: workflows.FoundRowBehind, act: workflows.ActRepaired, set: "needs_reauth", seq: 8, tokensBehind: true}},
		"row ahead in its tokens":                 {row(), says("active", "", 5, 3), nothing},
		"row from before the tokens":              {row(in("pending", "", 0), generation(0)), says("active", "", 1, 3), lost("needs_reauth", 2)},
		"row from before the machine's tokens":    {row(in("pending", "", 0), generation(0), machine), says("paused", "", 4, 3), lost("pending", 5)},
		"workflow behind in its number alone":     {row(), says("active", "", 2, 5), restart},
		"workflow behind, the row is later":       {row(in("paused", "", 9), changed(time.Hour)), says("active", "", 2, 5), restart},
		"workflow behind, and changed since":      {row(), says("paused", "", 3, 5), restartAs("paused", 6)},
		"the same number, the row is later":       {row(changed(time.Hour)), says("paused", "", 5, 5), restart},
		"the same number, the workflow is later":  {row(), says("paused", "", 5, 5), restartAs("paused", 6)},
		"pending, and consented to since":         {row(), says("pending", "awaiting_consent", 0, 0, since(26*time.Hour)), restart},
		"disconnect lost by Temporal":             {row(in("disconnecting", "", 9)), says("active", "", 2, 5), restart},
		"disconnect lost by Temporal, and paused": {row(in("disconnecting", "", 9)), says("paused", "", 3, 5), restart},
		"disconnect lost by the vault":            {row(), says("disconnecting", "", 9, 5), repair("disconnecting", 9)},
		"disconnect that the vault had dropped":   {row(in("active", "", 40)), says("disconnecting", "", 9, 5), repair("disconnecting", 41)},
		"disconnect refused, and the row kept it": {row(in("disconnecting", "", 6)), says("active", "", 7, 5), repair("active", 7)},
	} {
		for _, includeYoung := range []bool{false, true} {
			v := judge(c.row, c.w, now(), includeYoung)
			got := found{kind: v.kind, act: v.act, terminate: v.terminate, start: v.start, tokensBehind: v.tokensBehind}
			if v.set != nil {
				got.set, got.seq = v.set.Status, v.set.Seq
				require.Equal(t, "con_1", v.set.ID, name)
				require.Greater(t, v.set.Seq, c.row.StatusSeq, "%s: the vault would drop it", name)
			}
			require.False(t, v.young, name)
			require.Equal(t, c.want, got, name)
		}
	}
}

// TestJudge_Young: whatever is wrong, it may be about to be put right.
func TestJudge_Young(t *testing.T) {
	t.Parallel()
	made := func(ago time.Duration) func(*vault.Connection) {
		return func(c *vault.Connection) { c.CreatedAt = now().Add(-ago) }
	}
	for _, c := range []struct {
		row vault.Connection
		w   facts
	}{
		{row(made(4 * time.Minute)), facts{}},
		{row(made(-time.Hour)), facts{}},
		{row(changed(4 * time.Minute)), facts{}},
		{row(in("disconnected", "", 9), changed(4*time.Minute)), facts{open: true}},
		{row(), says("paused", "", 6, 5, since(4*time.Minute))},
		{row(), says("paused", "", 3, 5, since(4*time.Minute))},
	} {
		require.Equal(t, verdict{young: true}, judge(c.row, c.w, now(), false))
		require.NotEmpty(t, judge(c.row, c.w, now(), true).kind)
	}
	require.NotEmpty(t, judge(row(made(minAge), changed(minAge)), facts{}, now(), false).kind)
}
