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
	"github.com/acme/connections/internal/secret"
)

// keysOf are the secrets of an OAuth app that can be opened.
func (s *Server) keysOf(ctx context.Context, integrationID string) ([]secret.String, error) {
	integration, err := s.Vault.Integration(ctx, integrationID)
	if err != nil {
		return nil, err
	}
	var keys []secret.String
	for _, sealed := range integration.Secrets {
		if key, err := s.Keys.Vault.OpenString(keyring.ClientSecret(integration.ID), sealed); err == nil {
			keys = append(keys, key)
		}
	}
	return keys, nil
}

// signed checks a callback's signature: HMAC-SHA-256 over all other parameters in order, keyed with the client secret
// (shopify.dev: authorization code grant, "Verify the HMAC"). Providers differ in whether the values are encoded.
func signed(keys []secret.String, param, rawQuery string) bool {
	query, err := url.ParseQuery(rawQuery)
	if err != nil || len(query[param]) != 1 {
		return false
	}
	signature, err := hex.DecodeString(query.Get(param))
	if err != nil || len(signature) != sha256.Size {
		return false
	}
	query.Del(param)
	messages := []string{query.Encode()}
	if message, ok := decoded(query); ok {
		messages = append(messages, message)
	}
	for _, key := range keys {
		for _, message := range messages {
			mac := hmac.New(sha256.New, []byte(key.Reveal()))
			_, _ = mac.Write([]byte(message))
			if !key.Empty() && hmac.Equal(mac.Sum(nil), signature) {
				return true
			}
		}
	}
	return false
}

// decoded is the query without encoding, if it can be read in one way only: else what was signed as the value of one
// parameter could pass for others.
func decoded(query url.Values) (string, bool) {
	var pairs []string
	for name, list := range query {
		for _, value := range list {
			if strings.ContainsAny(name, "&=") || strings.Contains(value, "&") {
				return "", false
			}
			pairs = append(pairs, name+"="+value)
		}
	}
	slices.Sort(pairs)
	return strings.Join(pairs, "&"), true
}
