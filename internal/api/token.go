package api

import (
	"context"
	"net/http"
	"time"

	"github.com/acme/connections/internal/apikey"
	"github.com/acme/connections/internal/tokens"
)

// Token is an access token in clear.
type Token struct {
	ConnectionID string            `json:"connection_id"`
	AccessToken  string            `json:"access_token" format:"password"`
	TokenType    string            `json:"token_type" example:"Bearer"`
	ExpiresAt    *time.Time        `json:"expires_at" doc:"Null if unknown."`
	Generation   int64             `json:"generation" doc:"Counts the connection's token sets."`
	Scopes       []string          `json:"scopes" nullable:"false"`
	Status       string            `json:"status" enum:"active,degraded,needs_reauth" doc:"The connection's: a token is handed out as long as it lives."`
	Metadata     map[string]string `json:"metadata" doc:"What the provider told beside the token, such as the address of its API."`
}

type (
	tokenInput struct {
		ID     string `path:"id" maxLength:"64" doc:"The connection's id."`
		MinTTL int    `query:"min_ttl" minimum:"0" maximum:"86400" default:"10" doc:"How many seconds the token must still live. One that lives less is renewed first; more than half of its whole life is not asked of any."`
	}
	tokenOutput struct{ Body Token }
)

// renewalWait bounds the wait for a newer token.
const renewalWait = 20 * time.Second

func (s *Server) addToken() {
	register(s, operation{
		id: "get-token", method: http.MethodGet, path: Root + "connections/{id}/token", scope: apikey.ScopeTokensRead, tag: tagConnections,
		errors: stateErrors(), look: s.lookUpRow, summary: "Read an access token",
		description: "A live access token, in clear. It is renewed first if it lives for less than `min_ttl`.",
	}, s.token)
}

// token hands out from the row that was read together with the key: one statement in all, unless the token must be
// renewed. There is no cache in between, so that what changes counts from the next request on.
func (s *Server) token(ctx context.Context, in *tokenInput) (*tokenOutput, error) {
	c := callerOf(ctx)
	if c.Row.ID == "" {
		return nil, missing()
	}
	need := tokens.Need{Life: time.Duration(in.MinTTL) * time.Second, Wait: renewalWait}
	held := s.tokens.Read(c.Row, need)
	if held == nil {
		var err error
		if held, err = s.tokens.Renewed(ctx, c.Row.ID, need); err != nil {
			return nil, err
		}
	}
	now := s.Connections.Now()
	s.tally.handedOut(held.ID, c.KeyID, now)
	s.reads.Mark(held.ID, now)
	return &tokenOutput{Body: tokenOf(held)}, nil
}

func tokenOf(h *tokens.Held) Token {
	t := Token{
		ConnectionID: h.ID, AccessToken: h.OAuth.AccessToken, TokenType: h.OAuth.TokenType, Generation: h.Generation,
		Scopes: listed(h.Scopes), Status: string(h.Status), Metadata: h.Metadata,
	}
	if !h.OAuth.Expiry.IsZero() {
		expires := h.OAuth.Expiry.UTC()
		t.ExpiresAt = &expires
	}
	if t.Metadata == nil {
		t.Metadata = map[string]string{}
	}
	return t
}
