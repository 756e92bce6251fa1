package e2e_test

import (
	"context"
	"testing"
	"time"

	"github.com/shirou/gopsutil/v4/process"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/acme/connections/internal/config"
	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/devserver/devservertest"
	"github.com/acme/connections/workflows"
)

// The figures of the README. Run one with
//
//	go test ./internal/e2e -run '^$' -bench NAME -benchtime 1x
//
// They are measured on whole processes, so one run is one measurement.

// client makes a typed client of the system, as the starter does.
func (s *system) client() *connections.Client {
	s.t.Helper()
	settings := config.Settings{Dev: &s.dev, BaseURL: s.dev.BaseURL, VaultKeyset: s.dev.VaultKeyset(), AccessKeyset: s.dev.AccessKeyset()}
	store, err := settings.OpenVault(context.Background(), false)
	require.NoError(s.t, err)
	s.t.Cleanup(func() { require.NoError(s.t, store.Close()) })
	keys, err := settings.OpenKeys(context.Background(), store)
	require.NoError(s.t, err)
	catalogue, err := settings.OpenCatalogue(store)
	require.NoError(s.t, err)
	return connections.New(connections.Config{
		Temporal: s.temporal(), Vault: store, Keys: keys, Catalogue: catalogue, BaseURL: s.dev.BaseURL, Now: time.Now,
	})
}

// BenchmarkConnect measures "starter connect --grant client_credentials --wait", process start and all.
func BenchmarkConnect(b *testing.B) {
	s := newSystem(b)
	for b.Loop() {
		require.Equal(b, "active", s.view("connect", "sandbox", "--grant", "client_credentials", "--wait").Status)
	}
}

// BenchmarkIdleMemory measures the worker process (sandbox provider, SQLite vault and web role included) with 1,000
// connections that hold hourly tokens.
func BenchmarkIdleMemory(b *testing.B) {
	const fleet = 1000
	for b.Loop() {
		s := newSystemWith(b, []string{"--sandbox-token-life", "1h"})
		before := s.memory()
		c := s.client()
		for range fleet {
			_, err := c.Create(context.Background(), connections.CreateRequest{Connector: "sandbox", Owner: "acme", Grant: workflows.GrantClientCredentials})
			require.NoError(b, err)
		}
		require.Eventually(b, func() bool { return len(s.list("--status", "active")) == fleet }, 5*patience, time.Second)
		after := s.memory()
		b.ReportMetric(before, "MB-before")
		b.ReportMetric(after, "MB-with-1000")
		b.ReportMetric((after-before)*1024/fleet, "kB/connection")
		s.stop()
	}
}

// memory is the worker's resident memory in MB.
func (s *system) memory() float64 {
	p, err := process.NewProcess(int32(s.worker.Process.Pid))
	require.NoError(s.t, err)
	info, err := p.MemoryInfo()
	require.NoError(s.t, err)
	return float64(info.RSS) / (1 << 20)
}

// BenchmarkHistoryOfADay measures the history of a connection after a day of hourly tokens: the real workflow on the
// real server, with a token of 1,200 sealed bytes, and activities that say that each token was issued so long ago that
// its renewal is due in a second.
func BenchmarkHistoryOfADay(b *testing.B) {
	server := devservertest.Start(b, workflows.SearchAttributes()...)
	c := devservertest.Client(b, server)
	for b.Loop() {
		const renewals = 24 * 60 / 40 // a token of an hour is renewed after 36 to 45 minutes
		id := "con_day"
		day := &fakeDay{id: id, done: make(chan struct{}), until: renewals}
		w := worker.New(c, workflows.TaskQueue, worker.Options{DisableRegistrationAliasing: true})
		w.RegisterWorkflowWithOptions(workflows.Connection, workflow.RegisterOptions{Name: workflows.TypeConnection})
		w.RegisterActivityWithOptions(day.renew, activity.RegisterOptions{Name: workflows.ActivityClientCredentials})
		w.RegisterActivityWithOptions(day.record, activity.RegisterOptions{Name: workflows.ActivityRecord})
		require.NoError(b, w.Start())
		_, err := c.ExecuteWorkflow(b.Context(), client.StartWorkflowOptions{ID: workflows.WorkflowID(id), TaskQueue: workflows.TaskQueue},
			workflows.TypeConnection, workflows.ConnectionInput{ID: id, Owner: "acme", Connector: "sandbox", Grant: workflows.GrantClientCredentials, ConsentDeadline: time.Now().Add(time.Hour)})
		require.NoError(b, err)
		<-day.done
		description, err := c.DescribeWorkflowExecution(b.Context(), workflows.WorkflowID(id), "")
		require.NoError(b, err)
		info := description.GetWorkflowExecutionInfo()
		b.ReportMetric(float64(info.GetHistoryLength()), "events/day")
		b.ReportMetric(float64(info.GetHistorySizeBytes())/1024, "kB/day")
		b.ReportMetric(float64(info.GetHistoryLength())/renewals, "events/renewal")
		require.NoError(b, c.TerminateWorkflow(b.Context(), workflows.WorkflowID(id), "", "measured"))
		w.Stop()
	}
}

type fakeDay struct {
	id         string
	generation int64
	until      int64
	done       chan struct{}
}

func (d *fakeDay) renew(context.Context, workflows.RenewInput) (workflows.TokenSet, error) {
	d.generation++
	if d.generation == d.until+1 {
		close(d.done)
	}
	set := workflows.TokenSet{
		Generation: d.generation, Renewable: true, Type: "Bearer", Scopes: []string{"contacts.read", "contacts.write"},
		Sealed: make([]byte, 1200), IssuedAt: time.Now().UTC(),
	}
	set.ExpiresAt = set.IssuedAt.Add(time.Hour)
	wait := workflows.NextRenewal(d.id, set).Sub(set.IssuedAt) - time.Second
	if d.generation > d.until {
		wait = 0
	}
	set.IssuedAt, set.ExpiresAt = set.IssuedAt.Add(-wait), set.ExpiresAt.Add(-wait)
	return set, nil
}

func (d *fakeDay) record(context.Context, workflows.RecordInput) error { return nil }
