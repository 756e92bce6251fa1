package sandbox

import (
	"context"
	"errors"
	"slices"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// storage shows the store to the protocol engine.
type storage struct {
	store     *store
	keys      *keys
	opts      Options
	loginPath string
}

var (
	_ op.Storage                   = (*storage)(nil)
	_ op.ClientCredentialsStorage  = (*storage)(nil)
	_ op.CanSetUserinfoFromRequest = (*storage)(nil)
)

var errUnsupported = errors.New("not supported by this server")

// GetClientByClientID implements op.OPStorage.
func (s *storage) GetClientByClientID(ctx context.Context, id string) (op.Client, error) {
	c, err := s.store.client(ctx, id)
	if errors.Is(err, errUnknownClient) {
		return nil, err
	}
	if err != nil {
		return nil, serverError(err)
	}
	c.loginPath, c.skew = s.loginPath, s.store.rules().ClockSkew
	return c, nil
}

// AuthorizeClientIDSecret implements op.OPStorage.
func (s *storage) AuthorizeClientIDSecret(ctx context.Context, id, secret string) error {
	_, err := s.ClientCredentials(ctx, id, secret)
	return err
}

// ClientCredentials implements op.ClientCredentialsStorage.
func (s *storage) ClientCredentials(ctx context.Context, id, secret string) (op.Client, error) {
	c, err := s.store.client(ctx, id)
	switch {
	case errors.Is(err, errUnknownClient):
		return nil, err
	case err != nil:
		return nil, serverError(err)
	case !c.authenticates(secret):
		return nil, errors.New("wrong client secret")
	}
	return c, nil
}

// SetUserinfoFromScopes implements op.OPStorage; the engine asks for it to be empty.
func (*storage) SetUserinfoFromScopes(context.Context, *oidc.UserInfo, string, string, []string) error {
	return nil
}

// SetUserinfoFromRequest implements op.CanSetUserinfoFromRequest: it fills the id_token.
func (s *storage) SetUserinfoFromRequest(ctx context.Context, info *oidc.UserInfo, req op.IDTokenRequest, scopes []string) error {
	return s.setUserinfo(ctx, info, req.GetSubject(), scopes)
}

// SetUserinfoFromToken implements op.OPStorage.
func (s *storage) SetUserinfoFromToken(ctx context.Context, info *oidc.UserInfo, tokenID, _, _ string) error {
	token, err := s.store.liveToken(ctx, tokenID)
	if err != nil {
		return err
	}
	return s.setUserinfo(ctx, info, token.subject(), token.scopes)
}

func (s *storage) setUserinfo(ctx context.Context, info *oidc.UserInfo, userID string, scopes []string) error {
	u, err := s.store.user(ctx, userID)
	if err != nil {
		return err
	}
	info.Subject = u.id
	if slices.Contains(scopes, oidc.ScopeProfile) {
		info.Name, info.PreferredUsername = u.name, u.username
	}
	if slices.Contains(scopes, oidc.ScopeEmail) {
		info.Email, info.EmailVerified = u.email, true
	}
	return nil
}

// SetIntrospectionFromToken implements op.OPStorage: an error makes the answer "not active".
func (s *storage) SetIntrospectionFromToken(ctx context.Context, r *oidc.IntrospectionResponse, tokenID, _, _ string) error {
	token, err := s.store.liveToken(ctx, tokenID)
	if err != nil {
		return err
	}
	r.Subject, r.ClientID, r.Scope = token.subject(), token.clientID, token.scopes
	r.Issuer, r.TokenType = s.opts.Issuer, oidc.BearerToken
	r.IssuedAt, r.Expiration = oidc.FromTime(s.store.skewed(token.issued)), oidc.FromTime(s.store.skewed(token.expires))
	return nil
}

// SigningKey implements op.AuthStorage.
func (s *storage) SigningKey(context.Context) (op.SigningKey, error) {
	return signingKey{s.keys}, nil
}

// SignatureAlgorithms implements op.AuthStorage.
func (*storage) SignatureAlgorithms(context.Context) ([]jose.SignatureAlgorithm, error) {
	return []jose.SignatureAlgorithm{signingAlgorithm}, nil
}

// KeySet implements op.AuthStorage.
func (s *storage) KeySet(context.Context) ([]op.Key, error) { return []op.Key{publicKey{s.keys}}, nil }

// TerminateSession implements op.AuthStorage; there is no logout endpoint.
func (*storage) TerminateSession(context.Context, string, string) error { return errUnsupported }

// GetPrivateClaimsFromScopes implements op.OPStorage; only JWT access tokens would need it.
func (*storage) GetPrivateClaimsFromScopes(context.Context, string, string, []string) (map[string]any, error) {
	return nil, errUnsupported
}

// GetKeyByIDAndClientID implements op.OPStorage; clients have no keys here.
func (*storage) GetKeyByIDAndClientID(context.Context, string, string) (*jose.JSONWebKey, error) {
	return nil, errUnsupported
}

// ValidateJWTProfileScopes implements op.OPStorage; the JWT grant is closed.
func (*storage) ValidateJWTProfileScopes(context.Context, string, []string) ([]string, error) {
	return nil, errUnsupported
}

// Health implements op.Storage.
func (s *storage) Health(ctx context.Context) error { return s.store.db.PingContext(ctx) }

// expiry returns now, in the milliseconds in which times are stored, and the moment after lifetime.
func (s *storage) expiry(lifetime time.Duration) (now, expires time.Time) {
	now = s.store.now().Truncate(time.Millisecond)
	return now, now.Add(lifetime)
}

// serverError hides an internal failure behind the protocol's word for it.
func serverError(err error) error { return oidc.ErrServerError().WithParent(err) }
