package activities

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/oauth"
	"github.com/acme/connections/workflows"
)

// The classes of failure, in short: transient, in doubt, configuration, reauthorization, permanent.
const (
	tr = workflows.ClassTransient
	do = workflows.ClassInDoubt
	co = workflows.ClassConfiguration
	re = workflows.ClassReauthorize
	pe = workflows.ClassPermanent
)

// TestSignals is the table of token endpoint failures (OAuth client requirements, §5), from the bytes of the reply to the
// class: at an exchange, at a refresh of a rotating token, at one of another, with client credentials.
func TestSignals(t *testing.T) {
	t.Parallel()
	code := func(c string) string { return `{"error":"` + c + `"}` }
	for name, c := range map[string]struct {
		status int
		body   string
		want   [4]workflows.Class
	}{
		"2xx unreadable":              {200, "<html>", [4]workflows.Class{pe, do, tr, tr}},
		"429":                         {429, "", [4]workflows.Class{tr, tr, tr, tr}},
		"slow_down":                   {400, code("slow_down"), [4]workflows.Class{tr, tr, tr, tr}},
		"temporarily_unavailable":     {503, code("temporarily_unavailable"), [4]workflows.Class{tr, tr, tr, tr}},
		"500":                         {500, "", [4]workflows.Class{pe, do, tr, tr}},
		"502 as a page":               {502, "<html>", [4]workflows.Class{pe, do, tr, tr}},
		"server_error":                {400, code("server_error"), [4]workflows.Class{pe, do, tr, tr}},
		"invalid_grant":               {400, code("invalid_grant"), [4]workflows.Class{pe, re, re, co}},
		"invalid_grant with 401":      {401, code("invalid_grant"), [4]workflows.Class{pe, re, re, co}},
		"invalid_grant with 403":      {403, code("invalid_grant"), [4]workflows.Class{pe, re, re, co}},
		"invalid_client":              {401, code("invalid_client"), [4]workflows.Class{co, co, co, co}},
		"invalid_client with 200":     {200, code("invalid_client"), [4]workflows.Class{co, co, co, co}},
		"incorrect_client_…":          {200, code("incorrect_client_credentials"), [4]workflows.Class{co, co, co, co}},
		"unauthorized_client":         {400, code("unauthorized_client"), [4]workflows.Class{co, co, co, co}},
		"unsupported_grant_type":      {400, code("unsupported_grant_type"), [4]workflows.Class{co, co, co, co}},
		"invalid_request":             {400, code("invalid_request"), [4]workflows.Class{co, co, co, co}},
		"interaction_required":        {400, code("interaction_required"), [4]workflows.Class{re, re, re, co}},
		"consent_required":            {400, code("consent_required"), [4]workflows.Class{re, re, re, co}},
		"login_required":              {400, code("login_required"), [4]workflows.Class{re, re, re, co}},
		"admin_policy_enforced":       {400, code("admin_policy_enforced"), [4]workflows.Class{co, co, co, co}},
		"access_denied":               {400, code("access_denied"), [4]workflows.Class{pe, re, re, co}},
		"an empty 400":                {400, "", [4]workflows.Class{pe, tr, tr, co}},
		"an empty 401":                {401, "", [4]workflows.Class{pe, tr, tr, co}},
		"an empty 403":                {403, "", [4]workflows.Class{pe, tr, tr, co}},
		"an unknown code":             {418, code("teapot"), [4]workflows.Class{pe, tr, tr, co}},
		"200 and an unknown code":     {200, code("teapot"), [4]workflows.Class{pe, tr, tr, co}},
		"200 and an error object":     {200, `{"error":{"code":7}}`, [4]workflows.Class{pe, tr, tr, co}},
		"use_dpop_nonce, to no avail": {400, code("use_dpop_nonce"), [4]workflows.Class{pe, tr, tr, co}},

		// Here we are stricter than the table, which has "permanent" at an exchange: the app's owner hears of it.
		"307":            {307, "", [4]workflows.Class{co, co, co, co}},
		"404":            {404, "<html>", [4]workflows.Class{co, co, co, co}},
		"405":            {405, "", [4]workflows.Class{co, co, co, co}},
		"410":            {410, "", [4]workflows.Class{co, co, co, co}},
		"invalid_scope":  {400, code("invalid_scope"), [4]workflows.Class{co, co, co, co}},
		"invalid_target": {400, code("invalid_target"), [4]workflows.Class{co, co, co, co}},
		// And here, where it has "transient" at a refresh: a gateway may say so of a request that it has passed on.
		"408": {408, "", [4]workflows.Class{pe, do, tr, tr}},
		"425": {425, "", [4]workflows.Class{pe, do, tr, tr}},
	} {
		for i, phase := range []oauth.Phase{oauth.Exchange, oauth.Refresh, oauth.Refresh, oauth.ClientCredentials} {
			_, err := oauth.Parse(connector.Connector{}, phase, oauth.Raw{Status: c.status, RequestedAt: time.Now(), Body: []byte(c.body)})
			var f *oauth.Failure
			require.ErrorAs(t, err, &f, name)
			reason, _ := classify(f, i == 1)
			require.Equal(t, c.want[i], reason.Class(), "%s, %s, %s", name, phase, reason)
		}
	}
	for kind, want := range map[oauth.Kind][4]workflows.Class{
		// No byte was sent, or no reply came.
		oauth.Unreachable: {tr, tr, tr, tr},
		oauth.ReplyLost:   {pe, do, tr, tr},
	} {
		for i, phase := range []oauth.Phase{oauth.Exchange, oauth.Refresh, oauth.Refresh, oauth.ClientCredentials} {
			reason, _ := classify(&oauth.Failure{Kind: kind, Phase: phase}, i == 1)
			require.Equal(t, want[i], reason.Class(), "%s, %s", kind, phase)
		}
	}
}
