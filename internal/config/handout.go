package config

import (
	"fmt"
	"os"
	"strconv"
	"time"
)

// The environment variables of the worker's hand-outs to other workflows.
const (
	// EnvNexusOwner limits the worker's Nexus service to the connections of one owner, whatever callers ask for. A
	// worker serves the endpoints that lead to its task queue, so it limits all of these.
	EnvNexusOwner = "CONNECTIONS_NEXUS_OWNER"
	// EnvAuditDays is for how many days the audit keeps who was handed which token.
	EnvAuditDays = "CONNECTIONS_AUDIT_DAYS"
)

// DefaultAuditDays is for how long hand-outs are kept if nobody says otherwise.
const DefaultAuditDays = 90

// maxAuditDays is as long as anybody could mean.
const maxAuditDays = 36_500

// HandOut says how the worker hands out tokens.
type HandOut struct {
	// NexusOwner is whose connections the Nexus service hands out; empty for all.
	NexusOwner string
	// AuditKept is for how long hand-outs are kept in the audit.
	AuditKept time.Duration
}

// LoadHandOut reads the environment.
func LoadHandOut() (HandOut, error) {
	h := HandOut{NexusOwner: os.Getenv(EnvNexusOwner), AuditKept: DefaultAuditDays * 24 * time.Hour}
	if value := os.Getenv(EnvAuditDays); value != "" {
		days, err := strconv.Atoi(value)
		if err != nil || days < 1 || days > maxAuditDays {
			return h, fmt.Errorf("%s must be a number of days from 1 to %d", EnvAuditDays, maxAuditDays)
		}
		h.AuditKept = time.Duration(days) * 24 * time.Hour
	}
	return h, nil
}
