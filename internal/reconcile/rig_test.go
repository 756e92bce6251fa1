package reconcile_test

import (
	"context"
	"database/sql"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	_ "modernc.org/sqlite"

	"github.com/acme/connections/activities"
	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/connections/connectionstest"
	"github.com/acme/connections/internal/keyring"
	"github.com/acme/connections/internal/oauth"
	"github.com/acme/connections/internal/reconcile"
	"github.com/acme/connections/internal/secret"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/internal/vault/pgtest"
	"github.com/acme/connections/workflows"
)

func TestMain(m *testing.M) { os.Exit(connectionstest.Run(withPostgres{m})) }

type withPostgres struct{ m *testing.M }

// Run implements the runner of connectionstest.Run.
func (w withPostgres) Run() int { return pgtest.Run(w.m) }

const patience = 60 * time.Second

// rig has a reconciler of its own, on a task queue of its own, for an owner of its own: tests share one Temporal.
type rig struct {
	*connectionstest.Rig
	t     *testing.T
	owner string
	queue string
	file  *sql.DB
}

func newRig(t *testing.T, o connectionstest.Options) *rig {
	t.Helper()
	id := uuid.NewString()
	r := &rig{Rig: connectionstest.New(t, o), t: t, owner: "O'Neil & Söhne " + id, queue: "reconcile-" + id}
	w := worker.New(r.Temporal, r.queue, worker.Options{
		DisableRegistrationAliasing: true,
		Interceptors:                []interceptor.WorkerInterceptor{activities.Guard(slog.New(slog.DiscardHandler))},
	})
	w.RegisterWorkflowWithOptions(workflows.Reconcile, workflow.RegisterOptions{Name: workflows.TypeReconcile})
	reconcile.New(r.Client).Register(w)
	require.NoError(t, w.Start())
	t.Cleanup(w.Stop)
	var err error
	r.file, err = sql.Open("sqlite", "file:"+r.VaultFile+"?_pragma=busy_timeout(10000)")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.file.Close()) })
	return r
}

// old lets everything that there is be older than five minutes.
func (r *rig) old() { r.Clock.Move(6 * time.Minute) }

// reconcile runs the reconciler, for the rig's owner.
func (r *rig) reconcile(mod ...func(*workflows.ReconcileInput)) workflows.ReconcileReport {
	r.t.Helper()
	in := workflows.ReconcileInput{ReconcileScope: workflows.ReconcileScope{Owner: r.owner}}
	for _, m := range mod {
		m(&in)
	}
	run, err := r.Temporal.ExecuteWorkflow(r.t.Context(), client.StartWorkflowOptions{
		ID: r.queue, TaskQueue: r.queue, WorkflowExecutionTimeout: patience,
	}, workflows.TypeReconcile, in)
	require.NoError(r.t, err)
	var report workflows.ReconcileReport
	require.NoError(r.t, run.Get(r.t.Context(), &report))
	return report
}

func deep(in *workflows.ReconcileInput)         { in.Deep = true }
func dryRun(in *workflows.ReconcileInput)       { in.DryRun = true }
func includeYoung(in *workflows.ReconcileInput) { in.IncludeYoung = true }
func endOrphans(in *workflows.ReconcileInput)   { in.EndOrphans = true }

// requireFound: the report says this one thing, of these connections, and nothing else.
func (r *rig) requireFound(report workflows.ReconcileReport, kind workflows.ReconcileKind, act workflows.ReconcileAct, ids ...string) {
	r.t.Helper()
	require.Len(r.t, report.Findings, 1, "%+v", report)
	found := report.Findings[0]
	require.Equal(r.t, kind, found.Kind)
	require.Equal(r.t, act, found.Act)
	require.EqualValues(r.t, len(ids), found.Count)
	require.ElementsMatch(r.t, ids, found.Examples)
}

// requireQuiet: another run, deep, finds nothing.
func (r *rig) requireQuiet() {
	r.t.Helper()
	report := r.reconcile(deep, includeYoung)
	require.Empty(r.t, report.Findings)
	require.Zero(r.t, report.Young)
}

// machine is an active connection with client credentials.
func (r *rig) machine() string {
	r.t.Helper()
	created, err := r.Client.Create(r.t.Context(), connections.CreateRequest{Connector: "sandbox", Owner: r.owner, Grant: workflows.GrantClientCredentials})
	require.NoError(r.t, err)
	r.AwaitStatus(created.ID, workflows.StatusActive)
	r.awaitListed(created.ID, workflows.StatusActive)
	return created.ID
}

// row makes a row without a workflow.
func (r *rig) row(grant workflows.Grant, status workflows.ConnectionStatus, age time.Duration) string {
	r.t.Helper()
	id := "con_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	at := r.Clock.Now().Add(-age)
	app := connections.PlatformIntegrationID("sandbox", string(grant))
	require.NoError(r.t, r.Vault.CreateConnection(r.t.Context(), vault.Connection{
		ID: id, Owner: r.owner, Connector: "sandbox", IntegrationID: app, Grant: string(grant),
		Status: string(status), CreatedAt: at, StatusAt: at,
	}))
	return id
}

// end terminates a workflow by hand, and waits until the listing knows.
func (r *rig) end(id string) {
	r.t.Helper()
	require.NoError(r.t, r.Temporal.TerminateWorkflow(r.t.Context(), workflows.WorkflowID(id), "", "by hand"))
	r.awaitListed(id, "")
}

// awaitListed waits until the listing of open workflows has a connection in a status, or, if that is empty, not at all.
func (r *rig) awaitListed(id string, status workflows.ConnectionStatus) {
	r.t.Helper()
	query := "ExecutionStatus = 'Running' AND WorkflowId = '" + workflows.WorkflowID(id) + "'"
	if status != "" {
		query += " AND ConnectionStatus = '" + string(status) + "'"
	}
	require.Eventually(r.t, func() bool {
		page, err := r.Temporal.ListWorkflow(r.t.Context(), &workflowservice.ListWorkflowExecutionsRequest{Query: query})
		return err == nil && (len(page.GetExecutions()) > 0) == (status != "")
	}, patience, 10*time.Millisecond)
}

// runOf is the id and the state of a connection's last run.
func (r *rig) runOf(id string) (string, enums.WorkflowExecutionStatus) {
	r.t.Helper()
	description, err := r.Temporal.DescribeWorkflowExecution(r.t.Context(), workflows.WorkflowID(id), "")
	require.NoError(r.t, err)
	info := description.GetWorkflowExecutionInfo()
	return info.GetExecution().GetRunId(), info.GetStatus()
}

// requireRuns: the connection has an open workflow, in this status.
func (r *rig) requireRuns(id string, status workflows.ConnectionStatus) workflows.Status {
	r.t.Helper()
	var said workflows.Status
	require.Eventually(r.t, func() bool {
		response, err := r.Temporal.QueryWorkflowWithOptions(r.t.Context(), &client.QueryWorkflowWithOptionsRequest{
			WorkflowID: workflows.WorkflowID(id), QueryType: workflows.QueryStatus,
			QueryRejectCondition: enums.QUERY_REJECT_CONDITION_NOT_OPEN,
		})
		return err == nil && response.QueryRejected == nil && response.QueryResult.Get(&said) == nil && said.Status == status
	}, patience, 10*time.Millisecond, "%s is %+v", id, said)
	return said
}

// exec changes the vault's file behind the vault's back.
func (r *rig) exec(statement string, args ...any) {
	r.t.Helper()
	_, err := r.file.ExecContext(r.t.Context(), statement, args...)
	require.NoError(r.t, err)
}

// backup keeps a connection's row as it is, and returns what restores it.
func (r *rig) backup(id string) (restore func()) {
	r.t.Helper()
	kept := "kept_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	r.exec("CREATE TABLE "+kept+" AS SELECT * FROM connections WHERE id = ?", id)
	return func() {
		r.t.Helper()
		r.exec("DELETE FROM attempts WHERE connection_id = ?", id)
		r.exec("DELETE FROM connections WHERE id = ?", id)
		r.exec("INSERT INTO connections SELECT * FROM " + kept)
	}
}

// pending is a connection that waits for consent.
func (r *rig) pending() (id, link string) {
	r.t.Helper()
	created, err := r.Client.Create(r.t.Context(), connections.CreateRequest{Connector: "sandbox", Owner: r.owner})
	require.NoError(r.t, err)
	r.awaitListed(created.ID, workflows.StatusPending)
	return created.ID, created.ConnectURL
}

// consented is a connection that a person has consented to.
func (r *rig) consented() string {
	r.t.Helper()
	id, link := r.pending()
	request := r.consent(link)
	require.NoError(r.t, r.Client.Callback(r.t.Context(), id, workflows.Callback{RequestID: request.ID, SealedCode: request.Code}))
	r.AwaitStatus(id, workflows.StatusActive)
	r.awaitListed(id, workflows.StatusActive)
	return id
}

// consent does what the pages and a browser do, up to the answer that is stored: it is not signalled.
func (r *rig) consent(link string) vault.AuthRequest { return r.answered(link, false) }

func (r *rig) answered(link string, held bool) vault.AuthRequest {
	r.t.Helper()
	ctx := r.t.Context()
	hash := connections.HashSecret(link[strings.LastIndex(link, "/")+1:])
	state, stateHash := connections.NewSecret()
	verifier := oauth.NewVerifier()
	now := r.Clock.Now()
	request := vault.AuthRequest{
		ID: uuid.NewString(), StateHash: stateHash, RedirectURI: r.Client.RedirectURI(), BrowserHash: []byte("browser"),
		CreatedAt: now, ExpiresAt: now.Add(10 * time.Minute),
	}
	var err error
	request.Verifier, err = r.Keys.Vault.SealString(keyring.Verifier(request.ID), verifier)
	require.NoError(r.t, err)
	require.NoError(r.t, r.Vault.StartConsent(ctx, hash, request))

	conn, err := r.Catalogue.Get(ctx, "sandbox")
	require.NoError(r.t, err)
	authorize := oauth.AuthorizeURL(conn, r.Sandbox.Clients().App.ID, request.RedirectURI, state, verifier, conn.DefaultScopes("authorization_code"))
	code := r.allow(authorize)
	sealed, err := r.Keys.Vault.SealString(keyring.Code(request.ID), code)
	require.NoError(r.t, err)
	require.NoError(r.t, r.Vault.ConsumeAuthRequest(ctx, vault.Consumption{RequestID: request.ID, At: now, Code: sealed, Held: held}))
	request, err = r.Vault.AuthRequest(ctx, request.ID)
	require.NoError(r.t, err)
	return request
}

// allow signs in at the provider and consents, and returns the code.
func (r *rig) allow(authorize string) secret.String {
	r.t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(r.t, err)
	browser := &http.Client{Jar: jar, Transport: &http.Transport{DisableKeepAlives: true}, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
	home := r.Sandbox.Endpoints().Issuer
	at := r.visit(browser, http.MethodGet, authorize, nil)
	id := at.Query().Get("id")
	r.visit(browser, http.MethodPost, home+"/login", url.Values{"id": {id}, "username": {"demo"}, "password": {"demo"}})
	at = r.visit(browser, http.MethodPost, home+"/consent", url.Values{"id": {id}, "decision": {"allow"}})
	require.NotEmpty(r.t, at.Query().Get("code"))
	return secret.New(at.Query().Get("code"))
}

func (r *rig) visit(browser *http.Client, method, address string, form url.Values) *url.URL {
	r.t.Helper()
	request, err := http.NewRequestWithContext(r.t.Context(), method, address, strings.NewReader(form.Encode()))
	require.NoError(r.t, err)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := browser.Do(request)
	require.NoError(r.t, err)
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	require.NoError(r.t, err)
	require.Equal(r.t, http.StatusSeeOther, response.StatusCode, string(body))
	at, err := url.Parse(response.Header.Get("Location"))
	require.NoError(r.t, err)
	return at
}

// token reads the access token, and the provider takes it.
func (r *rig) requireToken(id string) {
	r.t.Helper()
	token, err := r.Client.Token(r.t.Context(), id, 0)
	require.NoError(r.t, err)
	request, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, r.Sandbox.Endpoints().Me, nil)
	require.NoError(r.t, err)
	request.Header.Set("Authorization", "Bearer "+token.Text.Reveal())
	response, err := http.DefaultClient.Do(request)
	require.NoError(r.t, err)
	require.NoError(r.t, response.Body.Close())
	require.Equal(r.t, http.StatusOK, response.StatusCode)
}

// history is all that a run of the reconciler left in Temporal.
func (r *rig) history() string {
	r.t.Helper()
	var all strings.Builder
	events := r.Temporal.GetWorkflowHistory(context.WithoutCancel(r.t.Context()), r.queue, "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		require.NoError(r.t, err)
		all.WriteString(event.String())
	}
	return all.String()
}

// sorted is for comparing ids.
func sorted(ids ...string) []string {
	slices.Sort(ids)
	return ids
}
