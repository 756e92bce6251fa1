package sandbox

import (
	"context"
	"errors"
	"slices"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// CreateAuthRequest implements op.AuthStorage. The engine has checked client and redirect URI by now, so an error here
// travels back to the client: this is where the rules that the engine does not know are enforced.
func (s *storage) CreateAuthRequest(ctx context.Context, in *oidc.AuthRequest, _ string) (op.AuthRequest, error) {
	pre := preflightFrom(ctx)
	switch {
	case pre == nil || pre.session == "":
		return nil, serverError(errors.New("authorization request outside the authorize handler"))
	case pre.problem != nil:
		return nil, pre.problem
	case in.CodeChallenge == "":
		return nil, oidc.ErrInvalidRequest().WithDescription("code_challenge is required (PKCE)")
	case in.CodeChallengeMethod != oidc.CodeChallengeMethodS256:
		return nil, oidc.ErrInvalidRequest().WithDescription("code_challenge_method must be S256")
	case len(in.CodeChallenge) != 43:
		return nil, oidc.ErrInvalidRequest().WithDescription("code_challenge must be a SHA-256 hash in base64url")
	case len(in.Scopes) == 0:
		return nil, oidc.ErrInvalidScope().WithDescription("none of the requested scopes is known")
	}
	if slices.Contains(in.Prompt, oidc.PromptNone) {
		return nil, oidc.ErrLoginRequired()
	}
	req := &authRequest{
		id: randomText(), clientID: in.ClientID, redirectURI: in.RedirectURI, state: pre.state, nonce: in.Nonce,
		scopes: in.Scopes, challenge: in.CodeChallenge, sessionHash: pre.session,
	}
	if err := s.store.saveRequest(ctx, req); err != nil {
		return nil, serverError(err)
	}
	return req, nil
}

// AuthRequestByID implements op.AuthStorage.
func (s *storage) AuthRequestByID(ctx context.Context, id string) (op.AuthRequest, error) {
	return s.store.request(ctx, `id`, id)
}

// AuthRequestByCode implements op.AuthStorage. It only reads, also a code that was used or has expired:
// the verdict falls where the tokens are issued, in one transaction.
func (s *storage) AuthRequestByCode(ctx context.Context, code string) (op.AuthRequest, error) {
	r, err := s.store.request(ctx, `code_hash`, hashOf(code))
	if err != nil {
		return nil, err
	}
	r.scopes = exchangeFrom(ctx).fault.kept(r.scopes)
	return r, nil
}

// SaveAuthCode implements op.AuthStorage.
func (s *storage) SaveAuthCode(ctx context.Context, id, code string) error {
	_, expires := s.expiry(s.opts.CodeLifetime)
	return s.store.saveCode(ctx, id, hashOf(code), expires)
}

// DeleteAuthRequest implements op.AuthStorage. The row stays, so that a second use of the code is recognised.
func (*storage) DeleteAuthRequest(context.Context, string) error { return nil }
