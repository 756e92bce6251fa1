package workflows

import (
	"fmt"
	"strings"

	"go.temporal.io/sdk/temporal"
)

// Names of the public contract. They never change without a version: other teams' code, operators' runbooks and
// running histories all hold them. contract_test.go pins each one.
const (
	// TaskQueue is the queue of every workflow and activity of this module.
	TaskQueue = "connections"

	// TypeConnection is the workflow type; one workflow is one connection. See [Connection].
	TypeConnection = "Connection"

	// TypeBreaker is the workflow type of an integration whose breaker is open. See [Breaker].
	TypeBreaker = "Breaker"
	// SignalOpened tells a [Breaker] that its integration's breaker has opened. It carries nothing.
	SignalOpened = "opened"

	// TypeReconcile is the workflow type of the reconciler ([ReconcileInput] → [ReconcileReport]). See [Reconcile].
	TypeReconcile = "Reconcile"
	// ReconcilerID is the id of the schedule that runs it, and the beginning of its workflows' ids.
	ReconcilerID = "connections-reconciler"

	// TypeEventDelivery is the workflow type of one event's delivery to one webhook endpoint ([EventDeliveryInput] →
	// [DeliveryResult]). See [EventDelivery].
	TypeEventDelivery = "EventDelivery"
	// ActivityDeliverEvent tries to deliver an event.
	ActivityDeliverEvent = "DeliverEvent"
	// ActivityRecordDeadLetter notes that an event was not delivered.
	ActivityRecordDeadLetter = "RecordDeadLetter"

	// SignalCallback carries a [Callback] from the OAuth callback page.
	SignalCallback = "callback"

	// UpdateReconnect opens a new consent window ([Reconnect] → [Status]); for client credentials it asks the
	// provider again at once.
	UpdateReconnect = "reconnect"
	// UpdateRefresh asks for a token newer than the generation that the caller has seen ([Refresh] → [AccessToken]).
	UpdateRefresh = "refresh"
	// UpdateDisconnect revokes, erases and ends the connection ([Disconnect] → [Status]).
	UpdateDisconnect = "disconnect"
	// UpdatePause stops refresh and hand-out ([Pause] → [Status]).
	UpdatePause = "pause"
	// UpdateResume ends a pause ([Resume] → [Status]).
	UpdateResume = "resume"

	// QueryStatus answers [Status].
	QueryStatus = "status"
	// QueryToken answers [AccessToken]. Always query with QUERY_REJECT_CONDITION_NOT_OPEN: a plain query of a closed run
	// would be answered from its history. A query leaves no mark, so it keeps no adaptive connection awake: whoever finds
	// the token stale asks with UpdateRefresh, and that does.
	QueryToken = "token"

	// ActivityExchange trades an authorization code for a token set.
	ActivityExchange = "Exchange"
	// ActivityClientCredentials asks for a token set with the app's own credentials.
	ActivityClientCredentials = "ClientCredentials"
	// ActivityRefresh trades the refresh token for a new token set.
	ActivityRefresh = "Refresh"
	// ActivityRevoke revokes what the provider gave.
	ActivityRevoke = "Revoke"
	// ActivityRecord writes the connection's status to its vault row.
	ActivityRecord = "Record"
	// ActivityProbe lets one call of a suspended integration through.
	ActivityProbe = "Probe"

	// ActivityToken is for callers: it hands out a sealed token ([TokenRequest] → [AccessToken]). See [Token].
	ActivityToken = "Token"
	// ActivityAwaitToken is for callers: it waits while the connection needs a person ([TokenRequest] → [AccessToken]).
	// See [AwaitToken].
	ActivityAwaitToken = "AwaitToken"

	// NexusService is the Nexus service for callers in other namespaces.
	NexusService = "connections"
	// OperationToken hands out a sealed token ([TokenRequest] → [AccessToken]). See [ViaNexus].
	OperationToken = "token"
	// OperationStatus says where a connection stands ([StatusRequest] → [Status]). See [StatusViaNexus].
	OperationStatus = "status"

	// ActivityResendCallbacks sends callback signals again that were lost.
	ActivityResendCallbacks = "ResendCallbacks"
	// ActivityReconcileConnections compares a stretch of the directory with its workflows, and mends what differs.
	ActivityReconcileConnections = "ReconcileConnections"
	// ActivityEndOrphans ends workflows that have no row.
	ActivityEndOrphans = "EndOrphans"
	// ActivityTidy removes what is over: tombstones, links, authorization requests, codes, old hand-outs.
	ActivityTidy = "Tidy"
)

// Search attributes, all of kind Keyword, written when the status changes and never otherwise.
//
//nolint:gochecknoglobals // constants in all but name: typed keys that nothing changes
var (
	AttributeStatus    = temporal.NewSearchAttributeKeyKeyword("ConnectionStatus")
	AttributeConnector = temporal.NewSearchAttributeKeyKeyword("ConnectionConnector")
	AttributeOwner     = temporal.NewSearchAttributeKeyKeyword("ConnectionOwner")
	AttributeReason    = temporal.NewSearchAttributeKeyKeyword("ConnectionReason")
)

// SearchAttributes lists the names to register in a namespace before the first connection starts.
func SearchAttributes() []string {
	return []string{
		AttributeStatus.GetName(), AttributeConnector.GetName(), AttributeOwner.GetName(), AttributeReason.GetName(),
	}
}

const workflowIDPrefix = "connection/"

// WorkflowID is the Temporal workflow id of a connection: "connection/<id>".
func WorkflowID(connectionID string) string { return workflowIDPrefix + connectionID }

// BreakerWorkflowID is the Temporal workflow id of an integration's breaker: "breaker/<integration>".
func BreakerWorkflowID(integrationID string) string { return "breaker/" + integrationID }

// EventWorkflowID is the Temporal workflow id of an event's delivery to an endpoint: "event/<event>/<endpoint>".
func EventWorkflowID(eventID, endpointID string) string { return "event/" + eventID + "/" + endpointID }

// ParseWorkflowID is the inverse of [WorkflowID].
func ParseWorkflowID(workflowID string) (connectionID string, err error) {
	id, ok := strings.CutPrefix(workflowID, workflowIDPrefix)
	if !ok || !ValidID(id) {
		return "", fmt.Errorf("%q is not the workflow id of a connection (want %s<id>)", workflowID, workflowIDPrefix)
	}
	return id, nil
}

// ValidID reports whether s can be a connection id: 1 to 64 characters of a–z, 0–9, "_" and "-".
func ValidID(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for _, r := range s {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '_', r == '-':
		default:
			return false
		}
	}
	return true
}

// RefreshUpdateID names a refresh update so that callers who saw the same generation, and the same number of
// failures after it, share one update and one call at the provider, while a failure is never replayed to a later one.
func RefreshUpdateID(generation, failures int64) string {
	return fmt.Sprintf("refresh-g%d-f%d", generation, failures)
}

// Grant is an OAuth 2.0 grant type (RFC 6749 §1.3).
type Grant string

// The grants that connections use.
const (
	GrantAuthorizationCode Grant = "authorization_code"
	GrantClientCredentials Grant = "client_credentials"
)

// ConnectionStatus is where a connection stands.
type ConnectionStatus string

// The statuses. Disconnected and Expired end the workflow.
const (
	StatusPending       ConnectionStatus = "pending"
	StatusActive        ConnectionStatus = "active"
	StatusDegraded      ConnectionStatus = "degraded"
	StatusNeedsReauth   ConnectionStatus = "needs_reauth"
	StatusPaused        ConnectionStatus = "paused"
	StatusDisconnecting ConnectionStatus = "disconnecting"
	StatusDisconnected  ConnectionStatus = "disconnected"
	StatusExpired       ConnectionStatus = "expired"
)

// Statuses lists every status, in the order of a connection's life.
func Statuses() []ConnectionStatus {
	return []ConnectionStatus{
		StatusPending, StatusActive, StatusDegraded, StatusNeedsReauth, StatusPaused,
		StatusDisconnecting, StatusDisconnected, StatusExpired,
	}
}

// HandsOut reports whether a connection in this status hands out its token while the token lives.
func (s ConnectionStatus) HandsOut() bool {
	return s == StatusActive || s == StatusDegraded || s == StatusNeedsReauth
}

// Ended reports whether the workflow of a connection in this status has ended.
func (s ConnectionStatus) Ended() bool { return s == StatusDisconnected || s == StatusExpired }
