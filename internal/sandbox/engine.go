package sandbox

import "github.com/zitadel/oidc/v3/pkg/op"

// newEngine builds the protocol engine on our storage. Only some of its routes are mounted: see routes.
func newEngine(issuer string, s *storage) (*op.Provider, error) {
	config := &op.Config{
		CryptoKey:             s.keys.crypto,
		CodeMethodS256:        true,
		AuthMethodPost:        true,
		GrantTypeRefreshToken: true,
	}
	return op.NewProvider(config, s, op.StaticIssuer(issuer),
		op.WithAllowInsecure(),
		op.WithCORSOptions(nil),
		// Only the authenticated cipher: the engine's default would also accept the old unauthenticated one.
		op.WithCrypto(op.NewAES256GCMCrypto(s.keys.crypto, s.keys.id)),
		op.WithCustomAuthEndpoint(op.NewEndpoint(pathAuthorize)),
		op.WithCustomTokenEndpoint(op.NewEndpoint(pathToken)),
		op.WithCustomRevocationEndpoint(op.NewEndpoint(pathRevoke)),
		op.WithCustomIntrospectionEndpoint(op.NewEndpoint(pathIntrospect)),
		op.WithCustomKeysEndpoint(op.NewEndpoint(pathKeys)),
	)
}
