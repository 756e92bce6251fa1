package config_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/config"
)

func TestLoadHandOut(t *testing.T) {
	h, err := config.LoadHandOut()
	require.NoError(t, err)
	require.Equal(t, config.HandOut{AuditKept: 90 * 24 * time.Hour}, h)
	t.Setenv(config.EnvNexusOwner, "acme")
	t.Setenv(config.EnvAuditDays, "7")
	t.Setenv(config.EnvNexusQueues, "nexus-acme=acme, nexus-globex = Globex & Co,")
	h, err = config.LoadHandOut()
	require.NoError(t, err)
	require.Equal(t, config.HandOut{
		NexusOwner: "acme", NexusQueues: map[string]string{"nexus-acme": "acme", "nexus-globex": "Globex & Co"}, AuditKept: 7 * 24 * time.Hour,
	}, h)
	for _, wrong := range []string{"acme", "=acme", "queue=", "connections=acme", "q=acme,q=globex"} {
		t.Setenv(config.EnvNexusQueues, wrong)
		_, err = config.LoadHandOut()
		require.ErrorContains(t, err, "CONNECTIONS_NEXUS_QUEUES must look like queue=owner", wrong)
	}
	t.Setenv(config.EnvNexusQueues, "")
	for _, wrong := range []string{"0", "-1", "a week", "99999999"} {
		t.Setenv(config.EnvAuditDays, wrong)
		_, err = config.LoadHandOut()
		require.ErrorContains(t, err, "CONNECTIONS_AUDIT_DAYS must be a number of days", wrong)
	}
}
