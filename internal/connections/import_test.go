package connections_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/connections/connectionstest"
	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/importfile"
	"github.com/acme/connections/internal/keyring"
	"github.com/acme/connections/internal/secret"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// rows are all of the rig's, sealed tokens included.
func rows(t *testing.T, r *connectionstest.Rig) []vault.Connection {
	t.Helper()
	list, err := r.Vault.ListConnections(t.Context(), vault.ConnectionFilter{Limit: 1000})
	require.NoError(t, err)
	for i := range list {
		list[i], err = r.Vault.Connection(t.Context(), list[i].ID)
		require.NoError(t, err)
	}
	return list
}

// requireAccepted: the provider takes the connection's token.
func requireAccepted(t *testing.T, r *connectionstest.Rig, id string) connections.Token {
	t.Helper()
	token, err := r.Client.Token(t.Context(), id, 0)
	require.NoError(t, err)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.Sandbox.Endpoints().Userinfo, nil)
	require.NoError(t, err)
	request.Header.Set("Authorization", "Bearer "+token.Text.Reveal())
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusOK, response.StatusCode)
	return token
}

// A grant of another system goes on here: its token is handed out, renewed, and nothing is asked of a person. A second
// run changes nothing.
func TestImport(t *testing.T) {
	t.Parallel()
	r := connectionstest.New(t, connectionstest.Options{})
	grant := elsewhere(t, r)
	file := lines(t, recordOf(t, "c-7", grant).with("tags", map[string]string{"team": "x"}).with("end_user", "u-1"))
	report := runImport(t, r.Client, importfile.JSONLines, file, connections.ImportOptions{})
	require.EqualValues(t, 1, report.Created, report)
	row := rows(t, r)[0]
	require.True(t, workflows.ValidID(row.ID))
	require.Equal(t, []string{ownerOf(t), "sandbox", "active", "", "u-1", "Bearer"}, []string{row.Owner, row.Connector, row.Status, row.Reason, row.EndUser, row.TokenType})
	require.Equal(t, map[string]string{"team": "x", "external_id": "c-7"}, row.Tags)
	require.EqualValues(t, 1, row.Generation)
	require.Equal(t, grant.Scopes, row.GrantedScopes)
	require.Equal(t, grant.Scopes, row.RequestedScopes)
	require.Equal(t, grant.ExpiresAt, row.ExpiresAt)

	token := requireAccepted(t, r, row.ID)
	require.True(t, token.Text.Equal(grant.AccessToken), "the token in hand stays in use")
	view, err := r.Client.Status(t.Context(), row.ID)
	require.NoError(t, err)
	require.Equal(t, "active", view.Status)
	require.NotNil(t, view.NextRefreshAt)
	require.True(t, view.NextRefreshAt.After(time.Now()))

	view, err = r.Client.Refresh(t.Context(), row.ID)
	require.NoError(t, err)
	require.EqualValues(t, 2, view.Generation)
	require.False(t, requireAccepted(t, r, row.ID).Text.Equal(grant.AccessToken))
	require.Equal(t, 1, r.TokenRequests("refresh_token"))

	again := runImport(t, r.Client, importfile.JSONLines, file, connections.ImportOptions{Replace: true})
	require.EqualValues(t, 1, again.AlreadyThere)
	require.Len(t, rows(t, r), 1)
	require.EqualValues(t, 2, rows(t, r)[0].Generation, "ours are the newer tokens")
}

// What has expired is renewed without anybody asking; what cannot be renewed is refused.
func TestImportExpired(t *testing.T) {
	t.Parallel()
	r := connectionstest.New(t, connectionstest.Options{})
	grant := elsewhere(t, r)
	past := time.Now().Add(-time.Hour)
	renewable := recordOf(t, "renewable", grant).with("expires_at", past).with("issued_at", nil)
	report := runImport(t, r.Client, importfile.JSONLines, lines(
		t, renewable, madeUp(t, "gone").with("expires_at", past).with("refresh_token", nil),
		madeUp(t, "all gone").with("expires_at", past).with("refresh_token_expires_at", past),
		madeUp(t, "unknown").with("expires_at", nil).with("refresh_token", nil),
		madeUp(t, "endless").with("expires_at", nil).with("refresh_token", nil).with("no_expiration", true),
	), connections.ImportOptions{})
	require.EqualValues(t, 2, report.Created, report)
	require.EqualValues(t, 3, report.FailuresByCode["no_refresh_token"], report)
	for i, f := range report.Failures {
		require.Equal(t, i+2, f.Line)
		require.Equal(t, "expires_at", f.Field)
	}
	for _, row := range rows(t, r) {
		if row.Tags["external_id"] == "endless" {
			require.True(t, row.ExpiresAt.IsZero())
			continue
		}
		r.Await(row.ID, func(now vault.Connection) bool { return now.Generation == 2 && now.Status == "active" })
		requireAccepted(t, r, row.ID)
	}
}

// Many that are overdue do not ask the provider at once: each has its turn.
func TestImportPaced(t *testing.T) {
	t.Parallel()
	const perSecond, many = 0.5, 6
	r := connectionstest.New(t, connectionstest.Options{Connector: func(c *connector.Connector) { c.Token.RatePerSecond = perSecond }})
	var records []fields
	for n := range many {
		records = append(records, madeUp(t, fmt.Sprint(n)).with("expires_at", time.Now().Add(-time.Hour).Unix()))
	}
	report := runImport(t, r.Client, importfile.JSONLines, lines(t, records...), connections.ImportOptions{})
	require.EqualValues(t, many, report.Created, report)
	turns := map[time.Time]bool{}
	for _, row := range rows(t, r) {
		started := input(t, r, row.ID)
		require.NotNil(t, started.Carried)
		turns[started.Carried.WakeAt.Round(5*time.Second)] = true
	}
	require.Len(t, turns, many, "one every ten seconds, which is a fifth of the connector's rate")
}

// input is what a connection's workflow was started with.
func input(t *testing.T, r *connectionstest.Rig, id string) workflows.ConnectionInput {
	t.Helper()
	events := r.Temporal.GetWorkflowHistory(t.Context(), workflows.WorkflowID(id), "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	first, err := events.Next()
	require.NoError(t, err)
	var in workflows.ConnectionInput
	require.NoError(t, converter.GetDefaultDataConverter().FromPayloads(first.GetWorkflowExecutionStartedEventAttributes().GetInput(), &in))
	return in
}

func TestImportDryRun(t *testing.T) {
	t.Parallel()
	r := connectionstest.New(t, connectionstest.Options{})
	runImport(t, r.Client, importfile.JSONLines, lines(t, madeUp(t, "there")), connections.ImportOptions{})
	file := lines(t, madeUp(t, "there"), madeUp(t, "new"), madeUp(t, "new"), madeUp(t, "odd").with("connector", "nothing"))
	before := rows(t, r)
	// Temporal is not even asked.
	report := runImport(t, r.NewClient(connectionstest.LazyTemporal(t, "127.0.0.1:9"), "http://127.0.0.1:9"), importfile.JSONLines, file, connections.ImportOptions{DryRun: true})
	require.True(t, report.DryRun)
	require.Equal(t, []int64{1, 1, 2}, []int64{report.Created, report.AlreadyThere, report.Failed})
	require.Equal(t, map[string]int64{"record_duplicate": 1, "unknown_connector": 1}, report.FailuresByCode)
	require.Equal(t, before, rows(t, r))
	report = runImport(t, r.Client, importfile.JSONLines, file, connections.ImportOptions{})
	require.Equal(t, []int64{1, 1, 2}, []int64{report.Created, report.AlreadyThere, report.Failed})
}

// Each record that cannot be imported says why, with its line, and quotes nothing of what it holds.
func TestImportRefusals(t *testing.T) {
	t.Parallel()
	r := connectionstest.New(t, connectionstest.Options{})
	own := hosted()
	own.ID, own.Hosts, own.App = "own", []string{"shop.example"}, ""
	own.Metadata = []connector.Capture{{Path: "region", Pattern: "[a-z]+"}}
	customers := hosted()
	customers.ID = "customers"
	machine := hosted()
	machine.ID, machine.Grants = "machine", []string{connector.ClientCredentials}
	for _, c := range []connector.Connector{own, customers, machine} {
		require.NoError(t, r.Catalogue.Add(c))
	}
	_, err := r.Client.PutIntegration(t.Context(), connections.IntegrationRequest{Connector: "own", ClientID: "app", ClientSecret: secret.New("s")})
	require.NoError(t, err)
	const canary = "gho_canary0123456789abcdef"
	shop := madeUp(t, "1").with("connector", "own").with("inputs", fields{"shop": "my.shop.example"})
	for name, test := range map[string]struct {
		record      fields
		code, field string
		says        string
	}{
		"no connector":       {madeUp(t, "1").with("connector", nil), "invalid_request", "connector", "--connector"},
		"unknown connector":  {madeUp(t, "1").with("connector", "sandbax"), "unknown_connector", "connector", "Did you mean sandbox?"},
		"secret as one":      {madeUp(t, "1").with("connector", canary), "unknown_connector", "connector", "not shown"},
		"no owner":           {madeUp(t, "1").with("owner", ""), "invalid_request", "owner", "--owner"},
		"long owner":         {madeUp(t, "1").with("owner", strings.Repeat("a", 201)), "invalid_request", "owner", "200"},
		"long id":            {madeUp(t, strings.Repeat("1", 201)), "invalid_request", "external_id", "200"},
		"machines only":      {madeUp(t, "1").with("connector", "machine"), "invalid_request", "connector", "starter connect machine"},
		"no app":             {madeUp(t, "1").with("connector", "customers"), "integration_missing", "connector", "starter integrations set customers"},
		"another app":        {madeUp(t, "1").with("client_id", canary), "integration_missing", "client_id", "not set"},
		"no input":           {madeUp(t, "1").with("connector", "own"), "invalid_request", "inputs", "my.shop.example"},
		"odd input":          {shop.with("inputs", fields{"shop": canary}), "invalid_request", "inputs", "must look like"},
		"a foreign host":     {shop.with("inputs", fields{"shop": "evil.example"}), "invalid_request", "inputs", "can be reached at"},
		"unknown input":      {shop.with("inputs", fields{"shop": "my.shop.example", canary: "x"}), "invalid_request", "inputs", "not shown"},
		"unknown metadata":   {shop.with("metadata", fields{"regio": "eu"}), "invalid_request", "metadata", `"regio"`},
		"odd metadata":       {shop.with("metadata", fields{"region": canary}), "invalid_request", "metadata", "another form"},
		"reserved tag":       {madeUp(t, "1").with("tags", fields{"external_id": "2"}), "invalid_request", "tags", "external_id"},
		"long tag":           {madeUp(t, "1").with("tags", fields{"a": strings.Repeat("a", 300)}), "invalid_request", "tags", "200"},
		"scope with a space": {madeUp(t, "1").with("scopes", []string{"a b"}), "invalid_request", "scopes", "space"},
		"issued tomorrow":    {madeUp(t, "1").with("issued_at", time.Now().Add(24*time.Hour).Unix()).with("expires_at", nil), "invalid_request", "issued_at", "future"},
		"unreadable":         {madeUp(t, "1").with("refreshtoken", canary), "record_unreadable", "", `"refreshtoken"`},
	} {
		report := runImport(t, r.Client, importfile.JSONLines, "\n"+lines(t, test.record), connections.ImportOptions{})
		require.EqualValues(t, 1, report.Failed, name)
		require.Len(t, report.Failures, 1, name)
		f := report.Failures[0]
		require.Equal(t, []any{2, test.code, test.field}, []any{f.Line, f.Code, f.Field}, name)
		require.Contains(t, f.Message, test.says, name)
		require.NotContains(t, fmt.Sprintf("%+v", report), canary, name)
		require.NotContains(t, fmt.Sprintf("%+v", report), "made-up-", name)
	}
	require.Empty(t, rows(t, r))

	report := runImport(t, r.Client, importfile.JSONLines, lines(t, shop.with("metadata", fields{"region": "eu"})), connections.ImportOptions{})
	require.EqualValues(t, 1, report.Created, report)
	require.Equal(t, map[string]string{"region": "eu"}, rows(t, r)[0].Metadata)
	require.Equal(t, map[string]string{"shop": "my.shop.example"}, rows(t, r)[0].Inputs)

	// For all records at once; what says otherwise is refused.
	file := lines(t, madeUp(t, "1").with("owner", nil).with("connector", nil), madeUp(t, "2"), madeUp(t, "3").with("owner", "other"), shop)
	report = runImport(t, r.Client, importfile.JSONLines, file, connections.ImportOptions{Owner: ownerOf(t), Connector: "sandbox"})
	require.EqualValues(t, 2, report.Created, report)
	require.Equal(t, []string{"owner", "connector"}, []string{report.Failures[0].Field, report.Failures[1].Field})
	_, err = tryImport(t, r.Client, importfile.JSONLines, file, connections.ImportOptions{Owner: "a\nb"})
	requireCode(t, err, "invalid_request")

	// All are counted, and the first named.
	var many []fields
	for n := range 30 {
		many = append(many, madeUp(t, fmt.Sprint(n)).with("connector", "nothing"))
	}
	report = runImport(t, r.Client, importfile.JSONLines, lines(t, many...), connections.ImportOptions{Examples: 3})
	require.EqualValues(t, 30, report.Failed)
	require.Equal(t, map[string]int64{"unknown_connector": 30}, report.FailuresByCode)
	require.Equal(t, []int{1, 2, 3}, []int{report.Failures[0].Line, report.Failures[1].Line, report.Failures[2].Line})
	require.Len(t, report.Failures, 3)
}

// The customer's own app is found by its client id, and where the platform has none also without.
func TestImportOwnApp(t *testing.T) {
	t.Parallel()
	r := connectionstest.New(t, connectionstest.Options{})
	app, err := r.Client.PutIntegration(t.Context(), connections.IntegrationRequest{Owner: ownerOf(t), Connector: "sandbox", ClientID: "their-app", ClientSecret: secret.New("s")})
	require.NoError(t, err)
	platform := r.Sandbox.Clients().App.ID
	report := runImport(t, r.Client, importfile.JSONLines, lines(
		t, madeUp(t, "own").with("client_id", "their-app"), madeUp(t, "platform").with("client_id", platform), madeUp(t, "none"),
		madeUp(t, "others").with("client_id", "their-app").with("owner", "other"),
	), connections.ImportOptions{})
	require.EqualValues(t, 3, report.Created, report)
	require.EqualValues(t, 1, report.FailuresByCode["integration_missing"])
	for _, row := range rows(t, r) {
		want := connections.PlatformIntegrationID("sandbox", "")
		if row.Tags["external_id"] == "own" {
			want = app.ID
		}
		require.Equal(t, want, row.IntegrationID)
	}
}

// Nango's connections, with its own names for integrations, and what the provider told it.
func TestImportNango(t *testing.T) {
	t.Parallel()
	r := connectionstest.New(t, connectionstest.Options{Connector: func(c *connector.Connector) {
		c.Metadata = []connector.Capture{{Path: "region"}, {Path: "instance_url", Hosts: []string{"example.com"}}}
	}})
	object := func(id, key, provider string) string {
		grant := elsewhere(t, r)
		return fmt.Sprintf(`{"connection_id":%q,"provider_config_key":%q,"provider":%q,"end_user":{"id":"u-1","organization":{"id":%q}},
			"connection_config":{"instance_url":"https://eu.example.com","else":"x"},
			"credentials":{"type":"OAUTH2","access_token":%q,"refresh_token":%q,"expires_at":%q,"raw":{"access_token":"x","scope":"openid email","region":"eu","instance_url":"https://evil.test"}}}`,
			id, key, provider, ownerOf(t), grant.AccessToken.Reveal(), grant.RefreshToken.Reveal(), grant.ExpiresAt.Format(time.RFC3339))
	}
	file := "[" + object("1", "sandbox", "") + "," + object("1", "sandbox-eu", "sandbox") + "," + object("1", "sandbox-us", "unknown") + "," + object("1", "other", "unknown") + "]"
	report := runImport(t, r.Client, importfile.Nango, file, connections.ImportOptions{ConnectorNames: map[string]string{"sandbox-us": "sandbox"}})
	require.EqualValues(t, 3, report.Created, report)
	require.EqualValues(t, 1, report.FailuresByCode["unknown_connector"])
	for _, row := range rows(t, r) {
		require.Equal(t, ownerOf(t), row.Owner)
		require.Equal(t, []string{"openid", "email"}, row.GrantedScopes)
		require.Equal(t, map[string]string{"region": "eu", "instance_url": "https://eu.example.com"}, row.Metadata)
		require.Equal(t, "1", row.Tags["external_id"])
		requireAccepted(t, r, row.ID)
	}
}

// A run that was cut off between a row and its workflow is finished by the next.
func TestImportResumes(t *testing.T) {
	t.Parallel()
	r := connectionstest.New(t, connectionstest.Options{})
	grant := elsewhere(t, r)
	file := lines(t, recordOf(t, "1", grant))
	ctx, cancel := context.WithCancel(t.Context())
	records, err := importfile.NewReader(strings.NewReader(file), importfile.JSONLines)
	require.NoError(t, err)
	cut := r.NewClient(&cutOff{Client: r.Temporal, cut: cancel}, "http://127.0.0.1:9")
	report, err := cut.Import(ctx, records, connections.ImportOptions{})
	require.ErrorIs(t, err, context.Canceled)
	require.Zero(t, report.Created)
	row := rows(t, r)[0]
	requireNoWorkflow(t, r, row.ID)

	report = runImport(t, r.Client, importfile.JSONLines, file, connections.ImportOptions{})
	require.EqualValues(t, 1, report.AlreadyThere)
	_, err = r.Client.Refresh(t.Context(), row.ID)
	require.NoError(t, err)
	requireAccepted(t, r, row.ID)
}

func requireNoWorkflow(t *testing.T, r *connectionstest.Rig, id string) {
	t.Helper()
	_, err := r.Temporal.DescribeWorkflowExecution(t.Context(), workflows.WorkflowID(id), "")
	require.ErrorAs(t, err, new(*serviceerror.NotFound))
}

// cutOff is the real Temporal, which is gone for good when the first workflow is to start.
type cutOff struct {
	client.Client
	cut context.CancelFunc
}

func (c *cutOff) ExecuteWorkflow(ctx context.Context, _ client.StartWorkflowOptions, _ any, _ ...any) (client.WorkflowRun, error) {
	c.cut()
	return nil, ctx.Err()
}

// flaky is the real Temporal, whose every first start has no answer although it happens.
type flaky struct {
	client.Client
	starts atomic.Int64
}

func (f *flaky) ExecuteWorkflow(ctx context.Context, o client.StartWorkflowOptions, w any, args ...any) (client.WorkflowRun, error) {
	run, err := f.Client.ExecuteWorkflow(ctx, o, w, args...)
	if f.starts.Add(1)%2 == 1 {
		return nil, serviceerror.NewUnavailable("canary-of-the-driver")
	}
	return run, err
}

// Temporal away: for a moment, which is waited out; from the start, when nothing is written; and for good.
func TestImportWithoutTemporal(t *testing.T) {
	t.Parallel()
	r := connectionstest.New(t, connectionstest.Options{})
	report := runImport(t, r.NewClient(&flaky{Client: r.Temporal}, "http://127.0.0.1:9"), importfile.JSONLines, lines(t, madeUp(t, "1"), madeUp(t, "2")), connections.ImportOptions{})
	require.EqualValues(t, 2, report.Created, report)
	for _, row := range rows(t, r) {
		require.Equal(t, workflows.StatusActive, input(t, r, row.ID).Carried.Status)
	}

	_, err := tryImport(t, r.NewClient(connectionstest.LazyTemporal(t, "127.0.0.1:9"), "http://127.0.0.1:9"), importfile.JSONLines, lines(t, madeUp(t, "3")), connections.ImportOptions{})
	requireCode(t, err, connections.CodeTemporalUnavailable)
	require.Len(t, rows(t, r), 2)

	report, err = tryImport(t, r.NewClient(startless{r.Temporal}, "http://127.0.0.1:9"), importfile.JSONLines, lines(t, madeUp(t, "3")), connections.ImportOptions{})
	requireCode(t, err, connections.CodeTemporalUnavailable)
	require.NotContains(t, err.Error(), "canary")
	require.EqualValues(t, 1, report.Failed)
	report = runImport(t, r.Client, importfile.JSONLines, lines(t, madeUp(t, "3")), connections.ImportOptions{})
	require.EqualValues(t, 1, report.AlreadyThere)
}

// Only a connection that needs a person takes the tokens of its record, and only when that is asked for.
func TestImportReplace(t *testing.T) {
	t.Parallel()
	r := connectionstest.New(t, connectionstest.Options{})
	dead := madeUp(t, "1").with("expires_at", time.Now().Add(-time.Hour).Unix())
	runImport(t, r.Client, importfile.JSONLines, lines(t, dead), connections.ImportOptions{})
	id := rows(t, r)[0].ID
	r.AwaitStatus(id, workflows.StatusNeedsReauth)

	fresh := lines(t, recordOf(t, "1", elsewhere(t, r)))
	report := runImport(t, r.Client, importfile.JSONLines, fresh, connections.ImportOptions{})
	require.Equal(t, []int64{1, 1}, []int64{report.AlreadyThere, report.NeedReauth})
	report = runImport(t, r.Client, importfile.JSONLines, lines(t, dead), connections.ImportOptions{Replace: true})
	require.Equal(t, []int64{1, 1}, []int64{report.AlreadyThere, report.NeedReauth}, "the same tokens would be refused again")
	report = runImport(t, r.Client, importfile.JSONLines, fresh, connections.ImportOptions{Replace: true, DryRun: true})
	require.EqualValues(t, 1, report.Replaced)
	require.EqualValues(t, 1, rows(t, r)[0].Generation)

	report = runImport(t, r.Client, importfile.JSONLines, fresh, connections.ImportOptions{Replace: true})
	require.EqualValues(t, 1, report.Replaced, report)
	row := r.AwaitStatus(id, workflows.StatusActive)
	require.EqualValues(t, 2, row.Generation)
	requireAccepted(t, r, id)
	view, err := r.Client.Refresh(t.Context(), id)
	require.NoError(t, err)
	require.EqualValues(t, 3, view.Generation)
	report = runImport(t, r.Client, importfile.JSONLines, fresh, connections.ImportOptions{Replace: true})
	require.Equal(t, []int64{1, 0}, []int64{report.AlreadyThere, report.Replaced})

	_, err = r.Client.Disconnect(t.Context(), id)
	require.NoError(t, err)
	report = runImport(t, r.Client, importfile.JSONLines, fresh, connections.ImportOptions{Replace: true})
	require.EqualValues(t, 1, report.FailuresByCode["disconnected"], report)
}

// meanwhile does something just before a workflow is terminated.
type meanwhile struct {
	client.Client
	do func()
}

func (m meanwhile) TerminateWorkflow(ctx context.Context, workflowID, runID, reason string, details ...any) error {
	m.do()
	return m.Client.TerminateWorkflow(ctx, workflowID, runID, reason, details...)
}

// A disconnect that was promised while an import was about to replace the tokens is kept.
func TestImportReplace_Disconnected(t *testing.T) {
	t.Parallel()
	r := connectionstest.New(t, connectionstest.Options{})
	dead := madeUp(t, "1").with("expires_at", time.Now().Add(-time.Hour).Unix())
	runImport(t, r.Client, importfile.JSONLines, lines(t, dead), connections.ImportOptions{})
	id := rows(t, r)[0].ID
	r.AwaitStatus(id, workflows.StatusNeedsReauth)
	racing := r.NewClient(meanwhile{r.Temporal, func() {
		_, err := r.Client.Disconnect(t.Context(), id)
		require.NoError(t, err)
	}}, "http://127.0.0.1:9")
	report := runImport(t, racing, importfile.JSONLines, lines(t, recordOf(t, "1", elsewhere(t, r))), connections.ImportOptions{Replace: true})
	require.Equal(t, []int64{1, 0}, []int64{report.AlreadyThere, report.Replaced}, report)
	r.AwaitStatus(id, workflows.StatusDisconnected)
}

// Two imports of one file side by side make each connection once, with one workflow.
func TestImportTwiceAtOnce(t *testing.T) {
	t.Parallel()
	const many = 40
	r := connectionstest.New(t, connectionstest.Options{})
	var records []fields
	for n := range many {
		records = append(records, madeUp(t, fmt.Sprint(n)))
	}
	file := lines(t, records...)
	reports := make(chan connections.ImportReport, 2)
	for range 2 {
		go func() {
			records, err := importfile.NewReader(strings.NewReader(file), importfile.JSONLines)
			if err != nil {
				t.Error(err)
			}
			report, err := r.Client.Import(t.Context(), records, connections.ImportOptions{})
			if err != nil {
				t.Error(err)
			}
			reports <- report
		}()
	}
	first, second := <-reports, <-reports
	require.EqualValues(t, many, first.Created+second.Created)
	require.EqualValues(t, many, first.AlreadyThere+second.AlreadyThere)
	list := rows(t, r)
	require.Len(t, list, many)
	for _, row := range list {
		require.Equal(t, row.ID, input(t, r, row.ID).ID)
	}
}

// No token is where it must not be: histories, logs, the report.
func TestImportCanary(t *testing.T) {
	t.Parallel()
	r := connectionstest.New(t, connectionstest.Options{})
	grant := elsewhere(t, r)
	secrets := []string{grant.AccessToken.Reveal(), grant.RefreshToken.Reveal(), "made-up-access-9", "made-up-refresh-9"}
	bad := madeUp(t, "9").with("expires_at", time.Now().Add(-time.Hour).Unix())
	report := runImport(t, r.Client, importfile.JSONLines, lines(t, recordOf(t, "1", grant), bad, bad, bad.with("external_id", nil)), connections.ImportOptions{})
	var said strings.Builder
	_, _ = fmt.Fprintf(&said, "%+v %#v", report, report)
	ids := rows(t, r)
	require.Len(t, ids, 2)
	for _, row := range ids {
		if row.Tags["external_id"] == "9" {
			r.AwaitStatus(row.ID, workflows.StatusNeedsReauth)
		} else {
			_, err := r.Client.Refresh(t.Context(), row.ID)
			require.NoError(t, err)
		}
		_, history := connectionstest.History(t, r.Temporal, r.Temporal.GetWorkflow(t.Context(), workflows.WorkflowID(row.ID), ""))
		require.NotEmpty(t, history)
		said.WriteString(history)
	}
	said.WriteString(r.Logged.String())
	for _, row := range ids {
		opened, err := r.Keys.Access.OpenString(keyring.AccessToken(row.ID, 1), row.AccessToken)
		require.NoError(t, err)
		require.Contains(t, secrets, opened.Reveal())
	}
	for _, s := range secrets {
		require.NotContains(t, said.String(), s)
	}
}
