package sample

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/acme/connections/workflows"
)

// Contacts is workflow "SampleContacts": it reads all contacts, in one activity.
//
// No token passes through it: the activity asks for one when it needs one. If the connection needs a person, the
// activity fails for good, and so does this workflow; see [Await] for one that waits.
func Contacts(ctx workflow.Context, in Input) (Report, error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		// Of one attempt, for as many pages as there are. What a lost worker had read by then is not read again: see
		// the activity's heartbeats, which come once a page.
		StartToCloseTimeout: time.Hour,
		HeartbeatTimeout:    2 * requestLimit,
		// Of all attempts. The default retry policy has no limit of its own, and that is right here: what must not be
		// retried says so itself.
		ScheduleToCloseTimeout: 24 * time.Hour,
	})
	var report Report
	err := workflow.ExecuteActivity(ctx, ActivityContacts, in).Get(ctx, &report)
	return report, err
}

const (
	// pauseBetweenRounds is there for an API that refuses a token which still lives for us.
	pauseBetweenRounds = time.Minute
	// maxRounds is after how many times a person has not mended it.
	maxRounds = 20
)

// Await is workflow "SampleAwait": it waits until the connection has a token, and then reads all contacts. A person may
// be needed before the first page (nobody has consented yet), or on the way (the access was revoked): both times it is
// parked, at no cost, and goes on by itself after the new consent.
func Await(ctx workflow.Context, in Input) (Report, error) {
	for round := 1; ; round++ {
		// The token is not used here; what counts is that there is one, that lives long enough to begin with.
		if _, err := workflows.AwaitToken(ctx, in.ConnectionID, workflows.MinLife(requestLimit)); err != nil {
			return Report{}, err // disconnected, or cancelled
		}
		report, err := Contacts(ctx, in)
		refused, is := workflows.AsTokenError(err)
		if !is || !refused.Kind.NeedsPerson() || round == maxRounds {
			return report, err
		}
		if err := workflow.Sleep(ctx, pauseBetweenRounds); err != nil {
			return report, err
		}
	}
}
