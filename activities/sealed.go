package activities

import (
	"context"

	"golang.org/x/oauth2"

	"github.com/acme/connections/internal/keyring"
	"github.com/acme/connections/internal/tokens"
	"github.com/acme/connections/workflows"
)

// OpenSealed opens a token that workflow code got by [workflows.Token] or [workflows.AwaitToken] and handed to this
// activity: inside the activity, since what is opened in workflow code would be in clear in the history. It is the token
// of then: it may have expired meanwhile, or been renewed. An activity that has the choice takes [Tokens.HTTPClient] or
// [Tokens.Token] instead, which know.
//
// It costs no read, unless Config.Owner is set: then the connection must be that owner's and hand out tokens now.
//
// Errors: [NotFound] if the owner is another, or there is nothing to open; [TemporarilyUnavailable] if the keyset is not
// the one that it was sealed with; with Config.Owner those of [Tokens.Token].
func (t *Tokens) OpenSealed(ctx context.Context, connectionID string, sealed workflows.AccessToken) (Token, error) {
	if !workflows.ValidID(connectionID) || sealed.Sealed == nil {
		return Token{}, t.refused(ctx, &tokens.Error{Kind: tokens.NotFound, ID: connectionID, Reason: workflows.ReasonInvalid})
	}
	if t.scoped {
		if _, err := t.engine.Token(ctx, connectionID, tokens.Need{Wait: -1}); err != nil {
			return Token{}, t.refused(ctx, err)
		}
	}
	text, err := t.access.OpenString(keyring.AccessToken(connectionID, sealed.Generation), sealed.Sealed)
	if err != nil {
		return Token{}, t.refused(ctx, &tokens.Error{Kind: tokens.Unavailable, ID: connectionID, Reason: workflows.ReasonKeyMissing})
	}
	opened := &tokens.Held{
		ID: connectionID, Status: sealed.Status, Reason: sealed.Reason, Generation: sealed.Generation, Scopes: sealed.Scopes,
		OAuth: &oauth2.Token{AccessToken: text.Reveal(), TokenType: sealed.Type},
	}
	if sealed.ExpiresAt != nil {
		opened.OAuth.Expiry = *sealed.ExpiresAt
	}
	return Token{opened}, nil
}
