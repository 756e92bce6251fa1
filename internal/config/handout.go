package config

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/acme/connections/workflows"
)

// The environment variables of the worker's hand-outs to other workflows.
const (
	// EnvNexusOwner limits the Nexus service on task queue "connections" to the connections of one owner, whatever
	// callers ask for: it holds for all endpoints that lead to that queue. All workers of the queue must have the same.
	EnvNexusOwner = "CONNECTIONS_NEXUS_OWNER"
	// EnvNexusQueues names further task queues for Nexus endpoints, each with the one owner whose connections are handed
	// out there: "queue=owner,queue=owner".
	EnvNexusQueues = "CONNECTIONS_NEXUS_QUEUES"
	// EnvAuditDays is for how many days the audit keeps who was handed which token.
	EnvAuditDays = "CONNECTIONS_AUDIT_DAYS"
)

// DefaultAuditDays is for how long hand-outs are kept if nobody says otherwise.
const DefaultAuditDays = 90

// maxAuditDays is as long as anybody could mean.
const maxAuditDays = 36_500

// HandOut says how the worker hands out tokens.
type HandOut struct {
	// NexusOwner is whose connections the Nexus service on task queue "connections" hands out; empty for all.
	NexusOwner string
	// NexusQueues are the owners by the task queues that are for one only.
	NexusQueues map[string]string
	// AuditKept is for how long hand-outs are kept in the audit.
	AuditKept time.Duration
}

// LoadHandOut reads the environment.
func LoadHandOut() (HandOut, error) {
	h := HandOut{NexusOwner: os.Getenv(EnvNexusOwner), AuditKept: DefaultAuditDays * 24 * time.Hour}
	for entry := range strings.SplitSeq(os.Getenv(EnvNexusQueues), ",") {
		if strings.TrimSpace(entry) == "" {
			continue
		}
		queue, owner, _ := strings.Cut(entry, "=")
		queue, owner = strings.TrimSpace(queue), strings.TrimSpace(owner)
		if _, twice := h.NexusQueues[queue]; twice || queue == "" || owner == "" || queue == workflows.TaskQueue {
			return h, fmt.Errorf("%s must look like queue=owner,queue=owner, with each task queue once and without %q, which is for %s",
				EnvNexusQueues, workflows.TaskQueue, EnvNexusOwner)
		}
		if h.NexusQueues == nil {
			h.NexusQueues = make(map[string]string)
		}
		h.NexusQueues[queue] = owner
	}
	if value := os.Getenv(EnvAuditDays); value != "" {
		days, err := strconv.Atoi(value)
		if err != nil || days < 1 || days > maxAuditDays {
			return h, fmt.Errorf("%s must be a number of days from 1 to %d", EnvAuditDays, maxAuditDays)
		}
		h.AuditKept = time.Duration(days) * 24 * time.Hour
	}
	return h, nil
}
