package workflows_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/workflows"
)

var issued = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func token(life time.Duration) workflows.TokenSet {
	return workflows.TokenSet{Generation: 1, Renewable: true, Rotates: true, IssuedAt: issued, ExpiresAt: issued.Add(life)}
}

func TestNextRenewalIsWithinTheMiddleOfTheLife(t *testing.T) {
	t.Parallel()
	for _, life := range []time.Duration{time.Minute, 10 * time.Minute, time.Hour, 24 * time.Hour, 60 * 24 * time.Hour} {
		for i := range 200 {
			at := workflows.NextRenewal(fmt.Sprint("con_", i), token(life))
			require.GreaterOrEqual(t, at.Sub(issued), life*60/100)
			require.Less(t, at.Sub(issued), life*75/100)
		}
	}
}

func TestNextRenewalSpreadsAFleet(t *testing.T) {
	t.Parallel()
	// 10,000 connections that were made in the same second, with hourly tokens: none of the nine minutes of the window
	// gets more than a quarter over its share.
	perMinute := map[int]int{}
	for i := range 10_000 {
		at := workflows.NextRenewal(fmt.Sprintf("con_%026d", i), token(time.Hour))
		perMinute[int(at.Sub(issued).Minutes())]++
	}
	require.Len(t, perMinute, 9)
	for minute, n := range perMinute {
		require.InDelta(t, 10_000/9, n, 10_000/9/4, "minute %d", minute)
	}
}

func TestNextRenewalOfOddTokens(t *testing.T) {
	t.Parallel()
	never := token(time.Hour)
	never.Renewable = false
	require.Zero(t, workflows.NextRenewal("a", never))
	require.Zero(t, workflows.NextRenewal("a", workflows.TokenSet{}))

	unknown := token(0)
	unknown.ExpiresAt = time.Time{}
	require.Zero(t, workflows.NextRenewal("a", unknown))
	unknown.RenewBy = issued.Add(time.Hour)
	require.False(t, workflows.NextRenewal("a", unknown).IsZero())

	for _, life := range []time.Duration{-time.Hour, 0, time.Nanosecond, time.Second} {
		odd := token(life)
		require.Equal(t, issued.Add(5*time.Second), workflows.NextRenewal("a", odd), "a provider is not hammered")
	}
}

func TestNextRenewalWithinBounds(t *testing.T) {
	t.Parallel()
	usual := workflows.NextRenewal("a", token(time.Hour)).Sub(issued)
	for name, c := range map[string]struct {
		from, to, want time.Duration // zero for no bound
	}{
		"none":                     {0, 0, usual},
		"from before":              {time.Minute, 0, usual},
		"from after":               {59 * time.Minute, 0, 59 * time.Minute},
		"from after the expiry":    {2 * time.Hour, 0, 2 * time.Hour},
		"to after":                 {0, 59 * time.Minute, usual},
		"to before":                {0, time.Minute, time.Minute},
		"to before the first wait": {0, time.Second, 5 * time.Second},
		"to at the issue":          {0, time.Nanosecond, 5 * time.Second},
		"to before the issue":      {0, -time.Hour, 5 * time.Second},
		"between":                  {time.Minute, 2 * time.Minute, 2 * time.Minute},
		"from counts more":         {30 * time.Minute, 10 * time.Minute, 30 * time.Minute},
	} {
		bound := func(d time.Duration) time.Time {
			if d == 0 {
				return time.Time{}
			}
			return issued.Add(d)
		}
		set := token(time.Hour)
		set.RenewFrom, set.RenewTo = bound(c.from), bound(c.to)
		require.Equal(t, c.want, workflows.NextRenewal("a", set).Sub(issued), name)

		stands := set
		stands.ExpiresAt, stands.RenewBy = time.Time{}, set.ExpiresAt
		require.Equal(t, c.want, workflows.NextRenewal("a", stands).Sub(issued), "%s, unknown expiry", name)
		set.Renewable = false
		require.Zero(t, workflows.NextRenewal("a", set), name)
	}
}

func TestRungDoublesToAnHour(t *testing.T) {
	t.Parallel()
	last := time.Duration(0)
	for n := int64(1); n <= 7; n++ {
		rung := workflows.Rung("a", n)
		require.Greater(t, rung, last)
		last = rung
	}
	for _, n := range []int64{7, 8, 100, 1 << 40} {
		require.LessOrEqual(t, workflows.Rung("a", n), time.Hour)
		require.Greater(t, workflows.Rung("a", n), 47*time.Minute)
	}
	require.Greater(t, workflows.Rung("a", 0), 47*time.Second)
}

func TestSettleAt(t *testing.T) {
	t.Parallel()
	hourly := token(time.Hour)
	for name, c := range map[string]struct {
		set      workflows.TokenSet
		failed   time.Duration
		doubts   int64
		earliest time.Duration
		latest   time.Duration
	}{
		"late in the life":             {hourly, 40 * time.Minute, 1, 58 * time.Minute, 58 * time.Minute},
		"a tenth of a short life":      {token(time.Minute), 40 * time.Second, 1, 54 * time.Second, 54 * time.Second},
		"after the late retry: ladder": {hourly, 59 * time.Minute, 2, 59*time.Minute + 47*time.Second, 60 * time.Minute},
		"after the expiry: ladder":     {hourly, 5 * time.Hour, 9, 5*time.Hour + 47*time.Minute, 6 * time.Hour},
		"found nearly too late":        {hourly, 59 * time.Minute, 1, 59*time.Minute + 5*time.Second, 59*time.Minute + 5*time.Second},
		"found after the expiry":       {hourly, 2 * time.Hour, 1, 2*time.Hour + 5*time.Second, 2*time.Hour + 5*time.Second},
	} {
		at := workflows.SettleAt("a", c.set, issued.Add(c.failed), c.doubts).Sub(issued)
		require.GreaterOrEqual(t, at, c.earliest, name)
		require.LessOrEqual(t, at, c.latest, name)
	}
	grace := hourly
	grace.GraceSeconds = 600
	require.Equal(t, 40*time.Minute+5*time.Second, workflows.SettleAt("a", grace, issued.Add(40*time.Minute), 1).Sub(issued))
	require.Equal(t, 58*time.Minute, workflows.SettleAt("a", grace, issued.Add(41*time.Minute), 2).Sub(issued), "grace is used once")
	unknown := workflows.TokenSet{Generation: 1, IssuedAt: issued}
	require.True(t, workflows.SettleAt("a", unknown, issued, 1).After(issued))
}
