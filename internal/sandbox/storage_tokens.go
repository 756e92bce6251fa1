package sandbox

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// machineRequest is a client-credentials request.
type machineRequest struct {
	clientID string
	scopes   []string
}

// GetSubject implements op.TokenRequest: the client speaks for itself.
func (r *machineRequest) GetSubject() string { return r.clientID }

// GetAudience implements op.TokenRequest.
func (r *machineRequest) GetAudience() []string { return []string{r.clientID} }

// GetScopes implements op.TokenRequest.
func (r *machineRequest) GetScopes() []string { return r.scopes }

// ClientCredentialsTokenRequest implements op.ClientCredentialsStorage.
// Scopes that the client may not have are left out; asking for none means all.
func (s *storage) ClientCredentialsTokenRequest(ctx context.Context, clientID string, scopes []string) (op.TokenRequest, error) {
	c, err := s.store.client(ctx, clientID)
	if err != nil {
		return nil, serverError(err)
	}
	granted := c.allowed(scopes)
	if len(scopes) == 0 {
		granted = c.scopes
	}
	if granted = exchangeFrom(ctx).fault.kept(granted); len(scopes) != 0 && len(granted) == 0 {
		return nil, oidc.ErrInvalidScope().WithDescription("none of the requested scopes is known")
	}
	return &machineRequest{clientID: clientID, scopes: granted}, nil
}

// TokenRequestByRefreshToken implements op.AuthStorage. It only reads, whatever state the token is in: the engine then
// checks that it is the caller's own, and the verdict falls in CreateAccessAndRefreshTokens, in one transaction.
func (s *storage) TokenRequestByRefreshToken(ctx context.Context, token string) (op.RefreshTokenRequest, error) {
	f, err := s.store.familyOfRefreshToken(ctx, token)
	if err != nil {
		return nil, err
	}
	f.scopes = exchangeFrom(ctx).fault.kept(f.scopes)
	return &refreshRequest{family: *f}, nil
}

// CreateAccessToken implements op.AuthStorage: a code without offline_access, or client credentials.
func (s *storage) CreateAccessToken(ctx context.Context, req op.TokenRequest) (id string, expires time.Time, err error) {
	issue := s.newIssue(ctx)
	switch r := req.(type) {
	case *machineRequest:
		err = s.store.issueMachine(ctx, r, issue)
	case *authRequest:
		issue.refreshToken = ""
		err = s.store.issueForCode(ctx, r, issue)
	default:
		err = errUnsupported
	}
	return issue.accessID, issue.accessExpires, s.settle(ctx, issue, err)
}

// CreateAccessAndRefreshTokens implements op.AuthStorage: a code with offline_access, or a refresh.
func (s *storage) CreateAccessAndRefreshTokens(ctx context.Context, req op.TokenRequest, current string) (accessID, refresh string, expires time.Time, err error) {
	issue := s.newIssue(ctx)
	switch r := req.(type) {
	case *authRequest:
		err = s.store.issueForCode(ctx, r, issue)
	case *refreshRequest:
		err = s.store.rotate(ctx, r, current, issue)
	default:
		err = errUnsupported
	}
	return issue.accessID, issue.refreshToken, issue.accessExpires, s.settle(ctx, issue, err)
}

// newIssue draws the values of the tokens to come.
func (s *storage) newIssue(ctx context.Context) *issue {
	now, accessExpires := s.expiry(s.opts.AccessTokenLifetime)
	return &issue{
		accessID: randomText(), refreshToken: randomText(), at: now, accessExpires: accessExpires,
		rules: s.store.rules(), presentation: exchangeFrom(ctx).presentation,
	}
}

// settle tells the token handler what the engine would lose: what was issued, by our clock, and what became of the token
// that was presented.
func (s *storage) settle(ctx context.Context, i *issue, err error) error {
	exchangeFrom(ctx).issue = i
	var refusal *oidc.Error
	if err != nil && !errors.As(err, &refusal) {
		return serverError(err)
	}
	return err
}

// GetRefreshTokenInfo implements op.AuthStorage for revocation.
func (s *storage) GetRefreshTokenInfo(ctx context.Context, _, token string) (userID, tokenID string, err error) {
	f, err := s.store.familyOfRefreshToken(ctx, token)
	if errors.Is(err, errUnknownToken) {
		return "", "", op.ErrInvalidRefreshToken
	}
	if err != nil {
		return "", "", err
	}
	return f.userID, token, nil
}

// RevokeToken implements op.AuthStorage: the id of an access token revokes that token, a refresh token its family.
// What is neither is already as good as revoked (RFC 7009 §2.2).
func (s *storage) RevokeToken(ctx context.Context, tokenOrID, _, clientID string) *oidc.Error {
	err := s.store.revoke(ctx, tokenOrID, clientID)
	if errors.Is(err, errForeignToken) {
		return oidc.ErrUnauthorizedClient().WithDescription("the token was issued to another client")
	}
	if err != nil {
		return oidc.ErrServerError().WithParent(err)
	}
	return nil
}

// refreshRequest is what a refresh token stands for.
type refreshRequest struct {
	family
	narrowed []string // scopes of this refresh alone
}

// GetAMR implements op.RefreshTokenRequest.
func (r *refreshRequest) GetAMR() []string { return []string{"pwd"} }

// GetAudience implements op.RefreshTokenRequest.
func (r *refreshRequest) GetAudience() []string { return []string{r.clientID} }

// GetAuthTime implements op.RefreshTokenRequest.
func (r *refreshRequest) GetAuthTime() time.Time { return r.authTime }

// GetClientID implements op.RefreshTokenRequest.
func (r *refreshRequest) GetClientID() string { return r.clientID }

// GetSubject implements op.RefreshTokenRequest.
func (r *refreshRequest) GetSubject() string { return r.userID }

// GetScopes implements op.RefreshTokenRequest.
func (r *refreshRequest) GetScopes() []string {
	if r.narrowed != nil {
		return r.narrowed
	}
	return r.scopes
}

// SetCurrentScopes implements op.RefreshTokenRequest. The family keeps all that was granted.
func (r *refreshRequest) SetCurrentScopes(scopes []string) { r.narrowed = slices.Clone(scopes) }
