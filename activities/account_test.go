package activities_test

import (
	"database/sql"
	"errors"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/sandbox"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// identifies gives the connector a step that tells the account.
func identifies(e *endpoint) func(*connector.Connector) {
	return func(c *connector.Connector) {
		c.Steps = []connector.Step{{Name: "identity", URL: e.URL + "/me", Metadata: []connector.Capture{
			{Path: "id", As: connector.AccountID}, {Path: "email", As: connector.AccountLabel}, {Path: "plan"},
		}}}
	}
}

func account(id, email string) func(http.ResponseWriter, *http.Request) {
	return says(200, `{"id":"`+id+`","email":"`+email+`","plan":"pro"}`)
}

// accountRig is a connection of Ann's account, at a provider whose API tells accounts.
func accountRig(t *testing.T, mod ...func(*connector.Connector)) (*rig, *endpoint) {
	t.Helper()
	e := newEndpoint(t, account("ann", "ann@acme.test"))
	r := newRig(t, append([]func(*connector.Connector){identifies(e)}, mod...)...)
	r.create(func(c *vault.Connection) {
		c.Tags, c.EndUser, c.Policy = map[string]string{"team": "sales"}, "u-1", vault.PolicyAlwaysFresh
	})
	_, err := r.Exchange(t.Context(), r.consent("req_1"))
	require.NoError(t, err)
	require.Equal(t, map[string]string{"account_id": "ann", "account_label": "ann@acme.test", "plan": "pro"}, r.row().Metadata)
	e.requests()
	return r, e
}

// shown are the access tokens that an API was shown, in order.
func shown(requests []seen) []string {
	var tokens []string
	for _, s := range requests {
		tokens = append(tokens, strings.TrimPrefix(s.header.Get("Authorization"), "Bearer "))
	}
	return tokens
}

// requireUntouched: of the row, nothing has changed but the count of failures.
func (r *rig) requireUntouched(before vault.Connection) {
	r.t.Helper()
	now := r.row()
	now.Failures, now.UpdatedAt = before.Failures, before.UpdatedAt
	require.Equal(r.t, before, now)
	access, _ := r.tokens()
	require.True(r.t, r.alive(access), "the token in hand")
}

// outcome is what the result page shows.
func (r *rig) outcome(in workflows.ExchangeInput) string {
	r.t.Helper()
	request, err := r.vault.AuthRequest(r.t.Context(), in.RequestID)
	require.NoError(r.t, err)
	return request.Outcome
}

// TestAccount_Another: a consent from another account changes nothing, and its tokens are given back.
func TestAccount_Another(t *testing.T) {
	t.Parallel()
	r, e := accountRig(t)
	before := r.row()
	e.set(account("bob", "bob@acme.test"))
	in := r.consent("req_2")
	revoked := r.provider.Stats().Revocations
	_, err := r.Exchange(t.Context(), in)
	r.requireReason(err, workflows.ReasonAccountMismatch)
	r.requireUntouched(before)
	require.Equal(t, "account_mismatch", r.outcome(in))

	bobs := shown(e.requests())
	require.Len(t, bobs, 1)
	require.False(t, r.alive(bobs[0]), "given back")
	require.Equal(t, revoked+2, r.provider.Stats().Revocations)
	_, err = r.vault.LastRefusal(t.Context(), r.id)
	require.ErrorIs(t, err, vault.ErrNotFound, "the reply is not kept")
	r.requireSealed(bobs[0])
	require.NotContains(t, r.log.String(), "bob")

	// Asked again, also by another process, it is the same answer, with no call.
	for range 2 {
		_, err = r.instance().Exchange(t.Context(), in)
		r.requireReason(err, workflows.ReasonAccountMismatch)
	}
	require.Equal(t, 2, r.calls("authorization_code"))
	require.Empty(t, e.requests())

	// The connection goes on, and takes Ann's own consent.
	e.set(account("ann", "ann@new.test"))
	set, err := r.Refresh(t.Context(), r.renew(1))
	require.NoError(t, err)
	require.EqualValues(t, 2, set.Generation)
	set, err = r.Exchange(t.Context(), r.consent("req_3"))
	require.NoError(t, err)
	require.EqualValues(t, 3, set.Generation)
	row := r.row()
	require.Equal(t, map[string]string{"account_id": "ann", "account_label": "ann@new.test", "plan": "pro"}, row.Metadata)
	require.Equal(t, []any{before.ID, before.Owner, before.EndUser, before.Tags, before.Inputs, before.Policy, before.CreatedAt},
		[]any{row.ID, row.Owner, row.EndUser, row.Tags, row.Inputs, row.Policy, row.CreatedAt})
}

// TestAccount_ByTheConnectorsOwnName: which metadata counts is the connector's to say, and where it comes from.
func TestAccount_ByTheConnectorsOwnName(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		connector   func(*connector.Connector)
		first, then string
		captured    [2]string
		want        workflows.Reason
	}{
		"the token reply": {
			func(c *connector.Connector) { c.Metadata = []connector.Capture{{Path: "team.id", As: "account_id"}} },
			`"team":{"id":1}`, `"team":{"id":2}`,
			[2]string{},
			workflows.ReasonAccountMismatch,
		},
		"the same, as text": {
			func(c *connector.Connector) { c.Metadata = []connector.Capture{{Path: "team.id", As: "account_id"}} },
			`"team":{"id":1}`, `"team":{"id":"1"}`,
			[2]string{},
			"",
		},
		"sharing": {
			func(c *connector.Connector) {
				c.Metadata = []connector.Capture{{Path: "user"}, {Path: "business", As: "account_id"}}
				c.Sharing = &connector.Sharing{Identity: "user"}
			},
			`"user":"u","business":"a"`, `"user":"u","business":"b"`,
			[2]string{},
			"",
		},
		"the callback": {
			func(c *connector.Connector) {
				c.Callback = &connector.Callback{Capture: []connector.CallbackValue{{Param: "realmId", Pattern: "[0-9]+", As: "account_id"}}}
			},
			``, ``,
			[2]string{"7", "8"},
			workflows.ReasonAccountMismatch,
		},
		"known from before, and told by nothing any more": {
			func(*connector.Connector) {}, ``, ``, [2]string{"7", ""}, "",
		},
		"told by nothing before": {
			func(c *connector.Connector) { c.Metadata = []connector.Capture{{Path: "account_id"}} },
			``, `"account_id":"a"`,
			[2]string{},
			"",
		},
		"not told now": {
			func(c *connector.Connector) { c.Metadata = []connector.Capture{{Path: "account_id"}} },
			`"account_id":"a"`, ``,
			[2]string{},
			workflows.ReasonAccountUnconfirmed,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, func(conn *connector.Connector) { conn.Revoke = nil }, c.connector)
			r.create()
			exchange := func(request, members, captured string) error {
				in := r.consent(request, func(told *vault.Consumption) {
					if captured != "" {
						told.Captured = map[string]string{"account_id": captured}
					}
				})
				r.fault(sandbox.Faults{Status: 200, Body: strings.TrimSuffix(`{"access_token":"at of `+request+`",`+members, ",") + `}`, Count: 1})
				_, err := r.Exchange(t.Context(), in)
				return err
			}
			require.NoError(t, exchange("req_1", c.first, c.captured[0]))
			before := r.row()
			err := exchange("req_2", c.then, c.captured[1])
			if c.want == "" {
				require.NoError(t, err)
				require.EqualValues(t, 2, r.row().Generation)
				return
			}
			r.requireReason(err, c.want)
			require.Equal(t, before.Metadata, r.row().Metadata)
			require.EqualValues(t, 1, r.row().Generation)
		})
	}
}

// TestAccount_Allowed: who made the link may let the account change. Nothing of the old one is left.
func TestAccount_Allowed(t *testing.T) {
	t.Parallel()
	r, e := accountRig(t)
	e.set(says(200, `{"id":"bob","email":"bob@acme.test"}`))
	before := r.row()
	_, err := r.Exchange(t.Context(), r.consent("req_2"))
	r.requireReason(err, workflows.ReasonAccountMismatch)

	r.anyone = true
	set, err := r.Exchange(t.Context(), r.consent("req_3"))
	require.NoError(t, err)
	require.EqualValues(t, 2, set.Generation)
	row := r.row()
	require.Equal(t, map[string]string{"account_id": "bob", "account_label": "bob@acme.test", "plan": ""}, row.Metadata)
	require.Equal(t, before.Tags, row.Tags)

	// That consent only.
	r.anyone = false
	e.set(account("ann", "ann@acme.test"))
	_, err = r.Exchange(t.Context(), r.consent("req_4"))
	r.requireReason(err, workflows.ReasonAccountMismatch)
}

// TestAccount_AllowedAndUnknown: nobody says whose the tokens are, and the link does not mind. The next one who is
// known has the account.
func TestAccount_AllowedAndUnknown(t *testing.T) {
	t.Parallel()
	r, e := accountRig(t)
	e.set(says(403, canary))
	r.anyone = true
	_, err := r.Exchange(t.Context(), r.consent("req_2"))
	require.NoError(t, err)
	require.Equal(t, map[string]string{"account_id": "", "account_label": "", "plan": ""}, r.row().Metadata)
	r.anyone = false
	e.set(account("cem", "cem@acme.test"))
	_, err = r.Exchange(t.Context(), r.consent("req_3"))
	require.NoError(t, err)
	require.Equal(t, "cem", r.row().Metadata["account_id"])
}

// TestAccount_Refresh: a refresh that tells of another account keeps the token, and the account that was.
func TestAccount_Refresh(t *testing.T) {
	t.Parallel()
	r, e := accountRig(t)
	e.set(says(200, `{"id":"bob","email":"bob@acme.test","plan":"free"}`))
	set, err := r.Refresh(t.Context(), r.renew(1))
	require.NoError(t, err)
	require.EqualValues(t, 2, set.Generation)
	require.Equal(t, map[string]string{"account_id": "ann", "account_label": "ann@acme.test", "plan": "free"}, r.row().Metadata)
	require.Contains(t, r.log.String(), "another account")
	r.requireSilent(r.log.String())
}

// TestAccount_NotToldYet: while the provider's API is away, the tokens wait, and land with the answer. The code is spent
// once.
func TestAccount_NotToldYet(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func(http.ResponseWriter, *http.Request){
		"500": says(500, canary), "429": says(429, ""), "401: not known everywhere yet": says(401, `{"error":"invalid_token"}`),
		"hangs up": hangsUp, "a page": says(200, "<html>"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, e := accountRig(t)
			before := r.row()
			e.set(answer)
			in := r.consent("req_2")
			for range 2 {
				_, err := r.instance().Exchange(t.Context(), in)
				r.requireReason(err, workflows.ReasonProviderUnavailable)
				require.Empty(t, r.outcome(in), "nothing is decided")
				r.requireUntouched(before)
			}
			e.set(account("ann", "ann@acme.test"))
			set, err := r.Exchange(t.Context(), in)
			require.NoError(t, err)
			require.EqualValues(t, 2, set.Generation)
			require.Equal(t, 2, r.calls("authorization_code"), "one for each consent")
			require.Equal(t, "connected", r.outcome(in))
			access, _ := r.tokens()
			require.True(t, r.alive(access))
		})
	}
}

// TestAccount_NeverTold: the consent is refused at last. Nothing is revoked: most likely it was the right account.
func TestAccount_NeverTold(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer func(http.ResponseWriter, *http.Request)
		waits  bool
	}{
		"refused":    {says(403, canary), false},
		"moved":      {says(404, ""), false},
		"not in it":  {says(200, `{"name":"x"}`), false},
		"away":       {says(503, canary), true},
		"also later": {hangsUp, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, e := accountRig(t)
			before := r.row()
			e.set(c.answer)
			in := r.consent("req_2")
			revoked := r.provider.Stats().Revocations
			_, err := r.Exchange(t.Context(), in)
			if c.waits {
				r.requireReason(err, workflows.ReasonProviderUnavailable)
				r.age(2 * time.Minute)
				_, err = r.Exchange(t.Context(), in)
			}
			r.requireReason(err, workflows.ReasonAccountUnconfirmed)
			r.requireUntouched(before)
			require.Equal(t, "account_unconfirmed", r.outcome(in))
			require.Equal(t, revoked, r.provider.Stats().Revocations)
			for _, token := range shown(e.requests()) {
				require.True(t, r.alive(token))
			}
			set, err := r.Refresh(t.Context(), r.renew(1))
			require.NoError(t, err)
			require.EqualValues(t, 2, set.Generation)
		})
	}
}

// age makes the attempts of the vault as old as if they had begun earlier.
func (r *rig) age(d time.Duration) {
	r.t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(r.dir, "vault.db")+"?_pragma=busy_timeout(5000)")
	require.NoError(r.t, err)
	_, err = db.ExecContext(r.t.Context(), `UPDATE attempts SET begun_at = begun_at - ?`, d.Microseconds())
	require.NoError(r.t, errors.Join(err, db.Close()))
}

// TestAccount_LeftBehind: a crash between reply and verdict changes no verdict, whoever comes next.
func TestAccount_LeftBehind(t *testing.T) {
	t.Parallel()
	r, e := accountRig(t)
	e.set(account("bob", "bob@acme.test"))
	in := r.consent("req_2")
	exchange := vault.AttemptStart{Kind: "exchange", Generation: vault.AttemptAnyGeneration, RequestID: "req_2"}
	attempt := r.leaveBehind(exchange, 200, `{"access_token":"at of bob","refresh_token":"rt of bob"}`)
	set, err := r.Refresh(t.Context(), r.renew(1))
	require.NoError(t, err)
	require.EqualValues(t, 2, set.Generation)
	require.Equal(t, "ann", r.row().Metadata["account_id"])
	require.Equal(t, vault.AttemptFailed, r.attempt(attempt).State)
	require.Nil(t, r.attempt(attempt).Reply)
	_, err = r.Exchange(t.Context(), in)
	r.requireReason(err, workflows.ReasonAccountMismatch)
	require.Equal(t, "account_mismatch", r.outcome(in))
	require.Equal(t, 1, r.calls("authorization_code"))
}

// TestAccount_TwoAtOnce: of two first consents from two accounts, the first that lands has the connection.
func TestAccount_TwoAtOnce(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	names := make(map[string]string)
	e := newEndpoint(t, func(w http.ResponseWriter, req *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		token := req.Header.Get("Authorization")
		if names[token] == "" {
			names[token] = []string{"ann", "bob"}[len(names)]
		}
		account(names[token], names[token]+"@acme.test")(w, req)
	})
	r := newRig(t, identifies(e))
	r.create()
	ins := []workflows.ExchangeInput{r.consent("req_1"), r.consent("req_2")}
	var next int
	results := parallel(2, func() error {
		mu.Lock()
		in := ins[next]
		next++
		mu.Unlock()
		_, err := r.instance().Exchange(t.Context(), in)
		return err
	})
	var refused []error
	for _, err := range results {
		if err != nil {
			refused = append(refused, err)
		}
	}
	require.Len(t, refused, 1)
	r.requireReason(refused[0], workflows.ReasonAccountMismatch)
	require.EqualValues(t, 1, r.row().Generation)
	access, _ := r.tokens()
	require.True(t, r.alive(access))
	require.Equal(t, names["Bearer "+access], r.row().Metadata["account_id"])
}

// TestAccount_WhatIsNotGivenBack: tokens whose end could be that of another grant, and whatever cannot be reached.
func TestAccount_WhatIsNotGivenBack(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		connector func(*connector.Connector, *endpoint)
		prepare   func(*rig)
		asked     bool
	}{
		"another connection has the account": {
			prepare: func(r *rig) { r.account(r.t.(*testing.T), "bob") },
		},
		"one of several accounts": {
			connector: func(c *connector.Connector, _ *endpoint) {
				c.Metadata = []connector.Capture{{Path: "tenants.0", As: "account"}, {Path: "account"}}
			},
		},
		"no revocation": {
			connector: func(c *connector.Connector, _ *endpoint) { c.Revoke = nil },
		},
		"revocation fails": {
			prepare: func(*rig) {}, asked: true,
			connector: func(_ *connector.Connector, e *endpoint) { e.set(says(503, canary)) },
		},
		"revocation hangs up": {
			asked:     true,
			connector: func(_ *connector.Connector, e *endpoint) { e.set(hangsUp) },
		},
		"given back": {asked: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var r *rig
			revocations := newEndpoint(t, says(200, ""))
			r = newRig(t, func(conn *connector.Connector) {
				conn.Revoke = &connector.Revoke{URL: revocations.URL + "/revoke", Token: connector.FromRefreshToken}
				conn.Metadata = []connector.Capture{{Path: "account"}}
				conn.Sharing = &connector.Sharing{Identity: "account"}
				if c.connector != nil {
					c.connector(conn, revocations)
				}
			})
			mine := r.account(t, "ann")
			if c.prepare != nil {
				c.prepare(r)
			}
			before := mine.row()
			in := mine.consent("req_2")
			mine.fault(sandbox.Faults{Status: 200, Body: `{"access_token":"at of bob","refresh_token":"rt of bob","account":"bob"}`, Count: 1})
			_, err := mine.Exchange(t.Context(), in)
			mine.requireReason(err, workflows.ReasonAccountMismatch)
			now := mine.row()
			require.Equal(t, before.Metadata, now.Metadata)
			require.Equal(t, before.RefreshToken, now.RefreshToken)
			requests := revocations.requests()
			require.Equal(t, c.asked, len(requests) == 1)
			if c.asked {
				require.Equal(t, "rt of bob", requests[0].params.Get("token"))
			}
			mine.requireSealed("rt of bob")
		})
	}
}

// TestExchange_SecondCredential: what is not kept is said, and costs the first nothing.
func TestExchange_SecondCredential(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *connector.Connector) { c.Reply.Second = &connector.Second{AccessToken: "user.access_token"} })
	r.create()
	in := r.consent("req_1")
	r.answers(`{"access_token":"at","refresh_token":"rt","user":{"access_token":"` + canary + `"}}`)
	_, err := r.Exchange(t.Context(), in)
	require.NoError(t, err)
	access, _ := r.tokens()
	require.Equal(t, "at", access)
	require.Contains(t, r.log.String(), "a second credential came beside the first and is not kept")
	r.requireSilent(r.log.String())
	r.requireSealed(canary)
}
