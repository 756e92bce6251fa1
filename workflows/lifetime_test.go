package workflows_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/workflows"
)

const day = 24 * time.Hour

func TestKeepAliveAt(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		life, idle       time.Duration // zero for unknown
		earliest, latest time.Duration // zero for none
	}{
		"hourly token, 60 days idle":            {time.Hour, 60 * day, 45 * day, 51 * day},
		"token of unknown expiry, 90 days idle": {0, 90 * day, 67 * day, 77 * day},
		"dies no sooner than its access token":  {time.Hour, time.Hour, 0, 0},
		"its end is near and does not move":     {time.Hour, time.Minute, 0, 0},
		"its end is over":                       {time.Hour, -time.Hour, 0, 0},
		"does not die of disuse":                {time.Hour, 0, 0, 0},
	} {
		set := token(c.life)
		if c.life == 0 {
			set.ExpiresAt = time.Time{}
		}
		if c.idle != 0 {
			set.RefreshIdleAt = issued.Add(c.idle)
		}
		for i := range 50 {
			at := workflows.KeepAliveAt(fmt.Sprint(i), set)
			if c.latest == 0 {
				require.Zero(t, at, name)
				continue
			}
			require.GreaterOrEqual(t, at.Sub(issued), c.earliest, name)
			require.LessOrEqual(t, at.Sub(issued), c.latest, name)
		}
	}
	long := token(80 * day)
	long.RefreshIdleAt = issued.Add(90 * day)
	require.Equal(t, workflows.NextRenewal("a", token(80*day)), workflows.NextRenewal("a", long), "renewing in time keeps it alive")
	never := token(0)
	never.ExpiresAt, never.RefreshIdleAt = time.Time{}, issued.Add(90*day)
	require.Equal(t, workflows.KeepAliveAt("a", never), workflows.NextRenewal("a", never), "a token without an expiry is renewed for its refresh token's sake")
}

func TestGrantWarning(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		life time.Duration
		at   time.Duration
		want workflows.Reason
		next time.Duration
	}{
		"a year, new":              {365 * day, 0, "", 335 * day},
		"a year, a minute before":  {365 * day, 335*day - time.Minute, "", 335 * day},
		"a year, 30 days before":   {365 * day, 335 * day, workflows.ReasonGrantEndsInAMonth, 358 * day},
		"a year, 7 days before":    {365 * day, 358 * day, workflows.ReasonGrantEndsInAWeek, 364 * day},
		"a year, 1 day before":     {365 * day, 364 * day, workflows.ReasonGrantEndsInADay, 0},
		"a year, over":             {365 * day, 400 * day, workflows.ReasonGrantEndsInADay, 0},
		"seven days, new":          {7 * day, 0, "", 6 * day},
		"seven days, 1 day before": {7 * day, 6 * day, workflows.ReasonGrantEndsInADay, 0},
		"30 days, new":             {30 * day, 0, "", 23 * day},
		"an hour: nothing to warn": {time.Hour, 30 * time.Minute, "", 0},
	} {
		set := workflows.TokenSet{ConsentedAt: issued, GrantEndsAt: issued.Add(c.life)}
		reason, next := workflows.GrantWarning(set, issued.Add(c.at))
		require.Equal(t, c.want, reason, name)
		if c.next == 0 {
			require.Zero(t, next, name)
			continue
		}
		require.Equal(t, issued.Add(c.next), next, name)
	}
	reason, next := workflows.GrantWarning(workflows.TokenSet{}, issued)
	require.Empty(t, reason)
	require.Zero(t, next)
}

func TestUnreadSince(t *testing.T) {
	t.Parallel()
	now := issued.Add(100 * day)
	for name, c := range map[string]struct {
		life  time.Duration
		awake time.Duration // before now
		want  time.Duration // before now; zero if it may not sleep
	}{
		"hourly, awake for a week":           {time.Hour, 7 * day, day},
		"hourly, wanted an hour ago":         {time.Hour, time.Hour, 0},
		"hourly, a day to the second":        {time.Hour, day, day},
		"three lives that last longer":       {10 * day, 60 * day, 30 * day},
		"three lives that are not over yet":  {10 * day, 20 * day, 0},
		"nobody knows since when it is used": {time.Hour, 100 * 365 * day, day},
	} {
		got := workflows.UnreadSince(token(c.life), now.Add(-c.awake), now)
		if c.want == 0 {
			require.Zero(t, got, name)
			continue
		}
		require.Equal(t, now.Add(-c.want), got, name)
	}
	unknown := token(time.Hour)
	unknown.ExpiresAt, unknown.RenewBy = time.Time{}, unknown.ExpiresAt
	require.Zero(t, workflows.UnreadSince(unknown, issued, now), "its readers could not see that it has expired")
	static := token(time.Hour)
	static.Renewable = false
	require.Zero(t, workflows.UnreadSince(static, issued, now))
}

func TestSuspendedWaitSpreads(t *testing.T) {
	t.Parallel()
	perHalfMinute := map[int]int{}
	for i := range 10_000 {
		wait := workflows.SuspendedWait(fmt.Sprintf("con_%026d", i), issued, time.Minute)
		require.GreaterOrEqual(t, wait, 150*time.Second)
		require.Less(t, wait, 5*time.Minute)
		perHalfMinute[int(wait/(30*time.Second))]++
	}
	require.Len(t, perHalfMinute, 5)
	for _, n := range perHalfMinute {
		require.InDelta(t, 2000, n, 500)
	}
}
