package e2e_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/devserver"
)

// What an operator sees with Temporal's own command line: status, owner, connector, expiry and next refresh in clear,
// and no secret.
func TestOperatorsView(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	v := s.view("connect", "sandbox", "--owner", "acme", "--grant", "client_credentials", "--wait")
	temporal := func(args ...string) string {
		r := runProgram(t, os.Getenv(devserver.EnvCLI), s.env, "", append(args, "--address", s.dev.TemporalAddress)...)
		require.Zero(t, r.exit, r.stderr)
		return r.stdout
	}
	require.Eventually(t, func() bool {
		return strings.Contains(temporal("workflow", "list", "--query", `ConnectionStatus="active" AND ConnectionOwner="acme" AND ConnectionConnector="sandbox"`), "connection/"+v.ID)
	}, patience, 100*time.Millisecond, "visibility")
	require.NotContains(t, temporal("workflow", "list", "--query", `ConnectionStatus="needs_reauth"`), v.ID)

	v = s.view("status", v.ID)
	card := temporal("workflow", "metadata", "-w", "connection/"+v.ID)
	for _, part := range []string{
		"sandbox · active", "| owner | acme |", "| grant | client_credentials |",
		"| expires | " + v.ExpiresAt.Format(time.RFC3339), "| next refresh | " + v.NextRefreshAt.Format(time.RFC3339),
		"Stops refresh and hand-out until resume.",
	} {
		require.Contains(t, card, part)
	}
	token := s.token(v.ID)
	for _, said := range []string{card, temporal("workflow", "show", "-w", "connection/"+v.ID, "-o", "json"), temporal("workflow", "query", "-w", "connection/"+v.ID, "--type", "token")} {
		require.NotContains(t, said, token)
	}
	s.view("disconnect", v.ID)
	s.await(v.ID, func(now connections.View) bool { return now.Status == "disconnected" })
	require.Eventually(t, func() bool {
		return strings.Contains(temporal("workflow", "list", "--query", `ConnectionStatus="disconnected"`), v.ID)
	}, patience, 100*time.Millisecond)
}
