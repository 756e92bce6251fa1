package renewal_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/renewal"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

var issued = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func after(d time.Duration) time.Time { return issued.Add(d) }

// row is a connection with both tokens that live an hour.
func row(mod ...func(*vault.Connection)) vault.Connection {
	c := vault.Connection{
		Grant: string(workflows.GrantAuthorizationCode), Generation: 3, IssuedAt: issued, ExpiresAt: after(time.Hour),
		TokenType: "Bearer", GrantedScopes: []string{"a"}, AccessToken: []byte("access"), RefreshToken: []byte("refresh"),
	}
	for _, m := range mod {
		m(&c)
	}
	return c
}

func noRefreshToken(c *vault.Connection) { c.RefreshToken = nil }
func noExpiry(c *vault.Connection)       { c.ExpiresAt = time.Time{} }
func machine(c *vault.Connection) {
	c.Grant, c.RefreshToken = string(workflows.GrantClientCredentials), nil
}

func lives(d time.Duration) func(*vault.Connection) {
	return func(c *vault.Connection) { c.ExpiresAt = after(d) }
}

func kind(k string) func(*vault.Connection) {
	return func(c *vault.Connection) { c.Metadata = map[string]string{renewal.MetadataTokenKind: k} }
}

func TestTokenSet(t *testing.T) {
	t.Parallel()
	no := false
	static := connector.Connector{Refresh: connector.Refresh{Rotates: &no}}
	refresh := func(r connector.Refresh) connector.Connector { return connector.Connector{Refresh: r} }
	byAccess := refresh(connector.Refresh{TokenSource: connector.FromAccessToken})
	upgrade := byAccess
	upgrade.Upgrade = &connector.Upgrade{URL: "u", TokenParam: "t"}
	never := connector.Connector{NeverExpires: true}
	neverUpgrade := upgrade
	neverUpgrade.NeverExpires = true
	for name, c := range map[string]struct {
		conn connector.Connector
		row  vault.Connection
		want workflows.TokenSet // without what every set has
	}{
		"usual":                    {connector.Connector{}, row(), workflows.TokenSet{Renewable: true, Rotates: true}},
		"does not rotate":          {static, row(), workflows.TokenSet{Renewable: true}},
		"no refresh token":         {connector.Connector{}, row(noRefreshToken), workflows.TokenSet{Rotates: true}},
		"grace":                    {refresh(connector.Refresh{GraceSeconds: 60}), row(), workflows.TokenSet{Renewable: true, Rotates: true, GraceSeconds: 60}},
		"spent on reply":           {refresh(connector.Refresh{SpentOn: "reply", GraceSeconds: 60}), row(), workflows.TokenSet{Renewable: true, Rotates: true, GraceSeconds: 60}},
		"spent on first use":       {refresh(connector.Refresh{SpentOn: connector.SpentOnFirstUse}), row(), workflows.TokenSet{Renewable: true, Rotates: true, GraceSeconds: 86400}},
		"client credentials":       {connector.Connector{}, row(machine), workflows.TokenSet{Renewable: true}},
		"unknown expiry":           {connector.Connector{}, row(noExpiry), workflows.TokenSet{Renewable: true, Rotates: true, RenewBy: after(time.Hour)}},
		"unknown, does not rotate": {static, row(noExpiry), workflows.TokenSet{Renewable: true, RenewBy: after(time.Hour)}},
		"unknown, machine":         {connector.Connector{}, row(noExpiry, machine), workflows.TokenSet{Renewable: true, RenewBy: after(time.Hour)}},
		"unknown, nothing to renew with": {
			connector.Connector{}, row(noExpiry, noRefreshToken), workflows.TokenSet{Rotates: true},
		},
		"never expires":              {never, row(noExpiry), workflows.TokenSet{Renewable: true, Rotates: true}},
		"never expires, yet it does": {never, row(), workflows.TokenSet{Renewable: true, Rotates: true}},
		"by access token":            {byAccess, row(noRefreshToken), workflows.TokenSet{Renewable: true}},
		"by access token, there is none": {
			byAccess, row(func(c *vault.Connection) { c.AccessToken = nil }), workflows.TokenSet{},
		},
		"by access token, machine": {byAccess, row(machine), workflows.TokenSet{Renewable: true}},
		"short-lived":              {upgrade, row(noRefreshToken, kind(renewal.ShortLived)), workflows.TokenSet{Renewable: true, RenewTo: issued}},
		"short-lived, with refresh token": {
			connector.Connector{Upgrade: upgrade.Upgrade}, row(kind(renewal.ShortLived)), workflows.TokenSet{Renewable: true, RenewTo: issued},
		},
		"short-lived, unknown expiry": {
			neverUpgrade, row(noRefreshToken, noExpiry, kind(renewal.ShortLived)),
			workflows.TokenSet{Renewable: true, RenewBy: after(time.Hour), RenewTo: issued},
		},
		"long-lived":                {upgrade, row(noRefreshToken, kind(renewal.LongLived)), workflows.TokenSet{Renewable: true}},
		"long-lived, never expires": {neverUpgrade, row(noRefreshToken, noExpiry, kind(renewal.LongLived)), workflows.TokenSet{Renewable: true}},
		"no kind":                   {upgrade, row(noRefreshToken), workflows.TokenSet{Renewable: true}},
		"a kind that means nothing": {connector.Connector{}, row(kind(renewal.ShortLived)), workflows.TokenSet{Renewable: true, Rotates: true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := c.want
			want.Generation, want.IssuedAt, want.ExpiresAt = 3, issued, c.row.ExpiresAt
			want.Type, want.Scopes, want.Sealed = "Bearer", []string{"a"}, c.row.AccessToken
			require.Equal(t, want, renewal.TokenSet(c.conn, c.row))
		})
	}
}

func TestBounds(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		refresh  connector.Refresh
		row      vault.Connection
		from, to time.Time
	}{
		"none":                           {connector.Refresh{}, row(), time.Time{}, time.Time{}},
		"lead":                           {connector.Refresh{LeadSeconds: 600}, row(), time.Time{}, after(50 * time.Minute)},
		"lead, long":                     {connector.Refresh{LeadSeconds: 86400}, row(lives(60 * 24 * time.Hour)), time.Time{}, after(59 * 24 * time.Hour)},
		"lead as long as the life":       {connector.Refresh{LeadSeconds: 3600}, row(), time.Time{}, time.Time{}},
		"lead longer than the life":      {connector.Refresh{LeadSeconds: 7200}, row(), time.Time{}, time.Time{}},
		"lead, unknown expiry":           {connector.Refresh{LeadSeconds: 600}, row(noExpiry), time.Time{}, time.Time{}},
		"window":                         {connector.Refresh{WindowSeconds: 30}, row(lives(10 * time.Minute)), after(570 * time.Second), time.Time{}},
		"window, unknown expiry":         {connector.Refresh{WindowSeconds: 30}, row(noExpiry), time.Time{}, time.Time{}},
		"window longer than the life":    {connector.Refresh{WindowSeconds: 7200}, row(), after(-time.Hour), time.Time{}},
		"interval":                       {connector.Refresh{MinIntervalSeconds: 60}, row(), after(time.Minute), time.Time{}},
		"interval, unknown expiry":       {connector.Refresh{MinIntervalSeconds: 60}, row(noExpiry), after(time.Minute), time.Time{}},
		"interval before window":         {connector.Refresh{MinIntervalSeconds: 60, WindowSeconds: 600}, row(), after(50 * time.Minute), time.Time{}},
		"window before interval":         {connector.Refresh{MinIntervalSeconds: 3540, WindowSeconds: 600}, row(), after(59 * time.Minute), time.Time{}},
		"window and lead":                {connector.Refresh{LeadSeconds: 300, WindowSeconds: 600}, row(), after(50 * time.Minute), after(55 * time.Minute)},
		"interval, client credentials":   {connector.Refresh{MinIntervalSeconds: 60}, row(machine), after(time.Minute), time.Time{}},
		"lead of a token that is no use": {connector.Refresh{LeadSeconds: 600}, row(lives(-time.Hour)), time.Time{}, time.Time{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			set := renewal.TokenSet(connector.Connector{Refresh: c.refresh}, c.row)
			if c.from.Before(issued) {
				require.False(t, set.RenewFrom.After(issued))
			} else {
				require.Equal(t, c.from, set.RenewFrom)
			}
			require.Equal(t, c.to, set.RenewTo)
		})
	}
}

// TestBounds_TogetherWithTheSchedule: each knob moves the renewal to where the provider wants it.
func TestBounds_TogetherWithTheSchedule(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		refresh       connector.Refresh
		row           vault.Connection
		first, latest time.Duration
	}{
		"none":                    {connector.Refresh{}, row(), 36 * time.Minute, 45 * time.Minute},
		"lead before the middle":  {connector.Refresh{LeadSeconds: 3000}, row(), 10 * time.Minute, 10 * time.Minute},
		"lead after the middle":   {connector.Refresh{LeadSeconds: 60}, row(), 36 * time.Minute, 45 * time.Minute},
		"lead as long as life":    {connector.Refresh{LeadSeconds: 3600}, row(), 36 * time.Minute, 45 * time.Minute},
		"window":                  {connector.Refresh{WindowSeconds: 30}, row(lives(10 * time.Minute)), 570 * time.Second, 570 * time.Second},
		"window that is open":     {connector.Refresh{WindowSeconds: 3000}, row(), 36 * time.Minute, 45 * time.Minute},
		"interval":                {connector.Refresh{MinIntervalSeconds: 3000}, row(), 50 * time.Minute, 50 * time.Minute},
		"interval after the life": {connector.Refresh{MinIntervalSeconds: 86400}, row(), 24 * time.Hour, 24 * time.Hour},
		"interval, unknown":       {connector.Refresh{MinIntervalSeconds: 86400}, row(noExpiry), 24 * time.Hour, 24 * time.Hour},
		"lead within interval":    {connector.Refresh{LeadSeconds: 3000, MinIntervalSeconds: 1200}, row(), 20 * time.Minute, 20 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, id := range []string{"a", "b", "con_1"} {
				at := workflows.NextRenewal(id, renewal.TokenSet(connector.Connector{Refresh: c.refresh}, c.row)).Sub(issued)
				require.GreaterOrEqual(t, at, c.first)
				require.LessOrEqual(t, at, c.latest)
			}
		})
	}
	require.Zero(t, workflows.NextRenewal("a", renewal.TokenSet(connector.Connector{NeverExpires: true}, row(noExpiry))))
}

func TestUpgradePending(t *testing.T) {
	t.Parallel()
	upgrade := connector.Connector{Upgrade: &connector.Upgrade{}}
	require.True(t, renewal.UpgradePending(upgrade, row(kind(renewal.ShortLived))))
	require.False(t, renewal.UpgradePending(upgrade, row(kind(renewal.LongLived))))
	require.False(t, renewal.UpgradePending(upgrade, row()))
	require.False(t, renewal.UpgradePending(connector.Connector{}, row(kind(renewal.ShortLived))))
}
