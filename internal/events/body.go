// Package events says what is told of an event, and sees to it that everyone is told.
package events

import (
	"encoding/json"
	"time"

	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// data is what a receiver learns of the connection.
type data struct {
	// ID is the connection's.
	ID        string `json:"id"`
	Connector string `json:"connector"`
	Owner     string `json:"owner"`
	Status    string `json:"status"`
	Reason    string `json:"reason"`
	Message   string `json:"message"`
}

// Body is what a receiver gets, in JSON, in the shape that Standard Webhooks recommends: the same bytes in every attempt.
// It holds no secret.
func Body(event vault.Event) ([]byte, error) {
	return json.Marshal(struct {
		Type      vault.EventType `json:"type"`
		Timestamp time.Time       `json:"timestamp"`
		Data      data            `json:"data"`
	}{event.Type, event.At, data{
		ID: event.ConnectionID, Connector: event.Connector, Owner: event.Owner, Status: event.Status, Reason: event.Reason,
		Message: Message(event),
	}})
}

// Message says in a sentence or two where the connection stands after the event, and what to do.
func Message(event vault.Event) string {
	// What is special about the token is not the event's concern.
	usual := workflows.TokenSet{ExpiresAt: event.At, Renewable: true}
	return workflows.Message(workflows.ConnectionStatus(event.Status), workflows.Reason(event.Reason), usual)
}
