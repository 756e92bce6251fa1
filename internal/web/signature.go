package web

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"slices"
	"strings"

	"github.com/acme/connections/internal/keyring"
)

// signed checks a callback's signature: HMAC-SHA-256 over all other parameters in order, keyed with the client secret
// (shopify.dev: authorization code grant, "Verify the HMAC"). Providers differ in whether the values are encoded.
func (s *Server) signed(ctx context.Context, q asked, param, rawQuery string) bool {
	query, err := url.ParseQuery(rawQuery)
	if err != nil {
		return false
	}
	signature, err := hex.DecodeString(query.Get(param))
	if err != nil || len(signature) != sha256.Size {
		return false
	}
	query.Del(param)
	var plain []string
	for name, list := range query {
		for _, value := range list {
			plain = append(plain, name+"="+value)
		}
	}
	slices.Sort(plain)
	integration, err := s.Vault.Integration(ctx, q.connection.IntegrationID)
	if err != nil {
		return false
	}
	for _, sealed := range integration.Secrets {
		secret, err := s.Keys.Vault.OpenString(keyring.ClientSecret(integration.ID), sealed)
		if err != nil {
			continue
		}
		for _, message := range []string{query.Encode(), strings.Join(plain, "&")} {
			mac := hmac.New(sha256.New, []byte(secret.Reveal()))
			_, _ = mac.Write([]byte(message))
			if hmac.Equal(mac.Sum(nil), signature) {
				return true
			}
		}
	}
	return false
}
