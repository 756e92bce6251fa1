package workflows

import (
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"
)

// maxProbes is when a run of [Breaker] hands over to the next.
const maxProbes = 50

// BreakerInput starts the workflow that looks after an open breaker.
type BreakerInput struct {
	Integration string `json:"integration"`
	// Told is set once people have been told that it is open.
	Told bool `json:"told,omitempty"`
}

// ProbeInput is the argument of activity "Probe".
type ProbeInput struct {
	Integration string `json:"integration"`
	// Announce asks to tell people that the breaker is open.
	Announce bool `json:"announce,omitempty"`
}

// BreakerState is the result of activity "Probe": the integration's breaker after it.
type BreakerState struct {
	Open bool `json:"open"`
	// Reason is that of the failures that opened it.
	Reason   Reason    `json:"reason,omitempty"`
	OpenedAt time.Time `json:"opened_at,omitzero"`
	// NextProbeAt is when the next probe may go.
	NextProbeAt time.Time `json:"next_probe_at,omitzero"`
	// Failing counts connections that failed within the last ten minutes before it opened; a thousand at most.
	Failing int `json:"failing,omitempty"`
}

// Breaker is the workflow of one integration whose connections fail alike: it lets a single call through every
// [ProbeInterval] until one succeeds, tells people at the beginning and at the end, and ends. What is open and what is
// not is decided by the integration's row in the vault; this workflow sends nothing to connections, which look at the
// row themselves. It is signalled on opening only, and started by that if it is not running.
func Breaker(ctx workflow.Context, in BreakerInput) error {
	opened := workflow.GetSignalChannelWithOptions(ctx, SignalOpened, workflow.SignalChannelOptions{
		Description: "The integration's breaker has opened.",
	})
	for range maxProbes {
		for opened.ReceiveAsync(nil) {
			// What it says is in the vault's row.
		}
		var state BreakerState
		err := regular(ctx, in.Integration+": probe", ActivityProbe, ProbeInput{Integration: in.Integration, Announce: !in.Told},
			probeLimit, recordRetries()).Get(ctx, &state)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil {
			in.Told = true
			workflow.SetCurrentDetails(ctx, state.describe(in.Integration))
			if !state.Open && opened.Len() == 0 {
				return nil
			}
		}
		wait := max(state.NextProbeAt.Sub(workflow.Now(ctx)), time.Second)
		timerCtx, cancel := workflow.WithCancel(ctx)
		timer := workflow.NewTimerWithOptions(timerCtx, min(wait, ProbeInterval), workflow.TimerOptions{Summary: "next probe"})
		err = workflow.Await(ctx, func() bool { return timer.IsReady() })
		cancel()
		if err != nil {
			return err
		}
	}
	for opened.ReceiveAsync(nil) {
		// The next run looks at the row first of all.
	}
	return workflow.NewContinueAsNewError(ctx, TypeBreaker, in)
}

// describe is the card that the Temporal UI shows on the workflow's page.
func (s BreakerState) describe(integration string) string {
	if !s.Open {
		return "### " + cell(integration) + " · well\n\nThe provider answers again. The connections that waited come back within five minutes."
	}
	rows := []string{
		"### " + cell(integration) + " · suspended", "", s.Reason.Sentence(), "", "| | |", "|---|---|",
		"| reason | " + cell(string(s.Reason)) + " |", "| since | " + stamp(s.OpenedAt) + " |",
		"| next probe | " + stamp(s.NextProbeAt) + " |", fmt.Sprintf("| connections that failed | %d |", s.Failing),
	}
	return strings.Join(rows, "\n") + "\n"
}
