package activities

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"time"

	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/oauth"
	"github.com/acme/connections/internal/secret"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// A connection is one account for life. Everybody who reads its tokens relies on that: a reconnect by somebody who is
// signed in to another account at the provider must not send one customer's data to another. So a new consent counts
// only if it is known to come from the account that the connection has, as [connector.Connector.Identity] tells it.
//
//   - No account is known yet (the first consent, or the connector tells none): the first that is known becomes it.
//   - It is another one: the consent is refused. The connection keeps its tokens, status and metadata, and the tokens
//     that came are given back.
//   - The provider does not say, where it should: the tokens are neither used nor thrown away, since most likely they
//     are the right ones and the old ones may have died with the consent. Their sealed reply stays with the open attempt,
//     and the question is asked again, without a second call for tokens, for as long as identityLimit. Then the consent
//     is refused: to take it unseen would be the silent switch. Nothing is revoked then, since it may be the same grant.
//   - Whoever made the connect link can allow another account, for the consents of that link alone. That is also the way
//     out where an account has another id for each OAuth app, and the app has changed.
//
// A refresh cannot change the account (RFC 6749 §6): what it tells otherwise is not believed, and its token is kept.

const (
	// identityLimit is how long the account of a consent is asked for: within the two minutes that the workflow gives
	// an exchange.
	identityLimit = time.Minute
	// giveBackLimit bounds the revocation of tokens that are not wanted: somebody waits for the outcome.
	giveBackLimit = 5 * time.Second
)

// accept completes a reply and lands it.
func (a *Activities) accept(ctx context.Context, g grant, attempt vault.Attempt, reply oauth.Reply) (workflows.TokenSet, error) {
	reply, g.unanswered = a.complete(ctx, g, attempt, reply)
	return a.land(ctx, g, attempt, reply)
}

// ofAccount is the reply as the connection may have it, or the error that it is to be refused with.
func (a *Activities) ofAccount(ctx context.Context, g grant, attempt vault.Attempt, reply oauth.Reply) (oauth.Reply, error) {
	name := g.connector.Identity()
	known, told := g.connection.Metadata[name], reply.Metadata[name]
	switch {
	case g.connection.Generation == 0, known == "", told == known:
		return reply, nil
	case attempt.Kind != string(oauth.Exchange):
		return a.unchanged(g, reply), nil
	case told == "" && !g.connector.Identifies():
		return reply, nil
	case told == "" && g.unanswered && time.Since(attempt.BegunAt).Abs() < identityLimit:
		// The attempt stays open with its reply, and the next try goes on from that.
		return reply, failure(workflows.ReasonProviderUnavailable, 0)
	}
	link, err := a.vault.Link(ctx, g.request.LinkHash)
	switch {
	case err != nil && !errors.Is(err, vault.ErrNotFound):
		return reply, vaultFailure(err)
	case err == nil && link.AnyAccount:
		a.log.Info("a connection changes its account, as its link allows", slog.String("connection", g.connection.ID))
		return anew(g, reply), nil
	case told == "":
		return reply, a.refuse(ctx, g, attempt, reply, workflows.ReasonAccountUnconfirmed)
	default:
		return reply, a.refuse(ctx, g, attempt, reply, workflows.ReasonAccountMismatch)
	}
}

// unchanged is the reply of a refresh without what it says of the account.
func (a *Activities) unchanged(g grant, reply oauth.Reply) oauth.Reply {
	name := g.connector.Identity()
	if reply.Metadata[name] == "" {
		return reply
	}
	a.log.Warn("a refresh names another account than the consent; the account stays", slog.String("connection", g.connection.ID))
	reply.Metadata = maps.Clone(reply.Metadata)
	for _, told := range []string{name, connector.AccountID, connector.AccountLabel} {
		delete(reply.Metadata, told)
	}
	return reply
}

// anew is the reply of a consent that may have changed the account: nothing of what was told of the old one holds.
// The metadata is merged into the row, where an empty value says that nothing is known.
func anew(g grant, reply oauth.Reply) oauth.Reply {
	metadata := make(map[string]string, len(g.connection.Metadata))
	for name := range g.connection.Metadata {
		metadata[name] = ""
	}
	maps.Copy(metadata, reply.Metadata)
	reply.Metadata = metadata
	return reply
}

// refuse ends an exchange that brought tokens which the connection is not to have, and returns its error.
func (a *Activities) refuse(ctx context.Context, g grant, attempt vault.Attempt, reply oauth.Reply, reason workflows.Reason) error {
	err := persist(ctx, func(ctx context.Context) error {
		_, err := a.vault.FailAttempt(ctx, attempt.ID, vault.AttemptFailed, string(reason))
		return err
	})
	switch {
	case errors.Is(err, vault.ErrConflict):
		// Another process has finished it. Asked again, the attempt says how.
		return failure(workflows.ReasonSuperseded, 0)
	case err != nil:
		return vaultFailure(err)
	}
	a.log.Warn("a consent was not used", slog.String("connection", g.connection.ID),
		slog.String("attempt", attempt.ID), slog.String("reason", string(reason)))
	if reason == workflows.ReasonAccountMismatch {
		a.giveBack(ctx, g, attempt, reply)
	}
	return failure(reason, 0)
}

// giveBack revokes the tokens of an account that was not asked for, where nothing else can end with them, and erases
// the stored reply that holds them. It is best effort: what fails is logged.
func (a *Activities) giveBack(ctx context.Context, g grant, attempt vault.Attempt, reply oauth.Reply) {
	log := a.log.With(slog.String("connection", g.connection.ID), slog.String("attempt", attempt.ID))
	revoking, cancel := context.WithTimeout(ctx, giveBackLimit)
	defer cancel()
	if a.mayRevoke(revoking, g, reply) {
		tokens := map[string]secret.String{connector.FromRefreshToken: reply.RefreshToken, connector.FromAccessToken: reply.AccessToken}
		for _, hint := range revokedKinds(g.connector.Revoke) {
			if tokens[hint].Empty() {
				continue
			}
			if err := a.oauth.Revoke(revoking, g.connector, g.app, tokens[hint], hint); err != nil {
				log.Warn("a token of another account could not be revoked", slog.String("token", hint))
			}
		}
	}
	if err := a.vault.SaveReply(ctx, attempt.ID, nil); err != nil {
		log.Warn("the reply of another account could not be erased; the next attempt does it")
	}
}

// mayRevoke reports whether revoking the tokens of a reply ends the grant of no connection: neither of this one, whose
// person may be the same where the account is one of several, nor of another one that has the account.
func (a *Activities) mayRevoke(ctx context.Context, g grant, reply oauth.Reply) bool {
	if g.connector.Revoke == nil || g.connector.OneOfSeveral() {
		return false
	}
	g.connection.Metadata = reply.Metadata
	others, err := a.othersHave(ctx, g, g.connector.Identity())
	return err == nil && !others
}

// mayAnswer reports whether a step that failed may yet tell what it was asked: a token is not known everywhere at once.
func mayAnswer(err error) bool {
	var f *oauth.Failure
	if !errors.As(err, &f) {
		return false
	}
	switch f.Kind {
	case oauth.Unreachable, oauth.ReplyLost, oauth.ServerError, oauth.Throttled, oauth.Unreadable:
		return true
	default:
		return f.Status == http.StatusUnauthorized
	}
}
