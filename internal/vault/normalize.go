package vault

import (
	"strings"
	"time"
)

// This file brings records into the one form in which every engine stores and returns them: times in UTC and whole
// microseconds; no empty maps, lists or byte strings, but nil; and no NUL or invalid UTF-8 in texts that a provider
// or a caller made up, since Postgres refuses these and a token set must not be lost over a strange display name.
// Ids and hashes are left as they are.

// Normalize returns the connection in the form in which it is stored.
func (c Connection) Normalize() Connection {
	c.Tags, c.Inputs, c.Metadata = cleanMap(c.Tags), cleanMap(c.Inputs), cleanMap(c.Metadata)
	c.RequestedScopes, c.GrantedScopes = cleanList(c.RequestedScopes), cleanList(c.GrantedScopes)
	c.ChosenScopes = cleanList(c.ChosenScopes)
	c.EndUser, c.Reason, c.TokenType = cleanText(c.EndUser), cleanText(c.Reason), cleanText(c.TokenType)
	c.StatusAt, c.IssuedAt, c.ExpiresAt = cleanTime(c.StatusAt), cleanTime(c.IssuedAt), cleanTime(c.ExpiresAt)
	c.ConsentedAt = cleanTime(c.ConsentedAt)
	c.CreatedAt, c.UpdatedAt = cleanTime(c.CreatedAt), cleanTime(c.UpdatedAt)
	c.TombstoneUntil = cleanTime(c.TombstoneUntil)
	c.AccessToken, c.RefreshToken = cleanBytes(c.AccessToken), cleanBytes(c.RefreshToken)
	return c
}

// Normalize returns the change in the form in which it is stored.
func (s StatusChange) Normalize() StatusChange {
	s.Reason, s.At = cleanText(s.Reason), cleanTime(s.At)
	return s
}

// Normalize returns the token set in the form in which it is stored.
func (t TokenCommit) Normalize() TokenCommit {
	t.AccessToken, t.RefreshToken = cleanBytes(t.AccessToken), cleanBytes(t.RefreshToken)
	t.TokenType, t.Metadata, t.Inputs = cleanText(t.TokenType), cleanMap(t.Metadata), cleanMap(t.Inputs)
	t.GrantedScopes, t.RequestedScopes = cleanList(t.GrantedScopes), cleanList(t.RequestedScopes)
	t.IssuedAt, t.ExpiresAt, t.ConsentedAt = cleanTime(t.IssuedAt), cleanTime(t.ExpiresAt), cleanTime(t.ConsentedAt)
	return t
}

// Normalize returns the start with its times in the form in which they are compared.
func (s AttemptStart) Normalize() AttemptStart {
	s.UnreadSince = cleanTime(s.UnreadSince)
	return s
}

// Normalize returns the failure in the form in which it is stored.
func (f BreakerFailure) Normalize() BreakerFailure {
	f.Reason, f.At = cleanText(f.Reason), cleanTime(f.At)
	return f
}

// Normalize returns the link in the form in which it is stored.
func (l Link) Normalize() Link {
	l.BrowserHash = cleanBytes(l.BrowserHash)
	l.CreatedAt, l.ExpiresAt, l.ConsumedAt = cleanTime(l.CreatedAt), cleanTime(l.ExpiresAt), cleanTime(l.ConsumedAt)
	return l
}

// Normalize returns the request in the form in which it is stored.
func (r AuthRequest) Normalize() AuthRequest {
	r.Scopes, r.Outcome = cleanList(r.Scopes), cleanText(r.Outcome)
	r.BrowserHash, r.Verifier, r.Code = cleanBytes(r.BrowserHash), cleanBytes(r.Verifier), cleanBytes(r.Code)
	r.CreatedAt, r.ExpiresAt, r.ConsumedAt = cleanTime(r.CreatedAt), cleanTime(r.ExpiresAt), cleanTime(r.ConsumedAt)
	r.Captured, r.Inputs, r.GrantedScopes = cleanMap(r.Captured), cleanMap(r.Inputs), cleanList(r.GrantedScopes)
	return r
}

// Normalize returns the answer in the form in which it is stored.
func (c Consumption) Normalize() Consumption {
	c.At, c.Code, c.Outcome = cleanTime(c.At), cleanBytes(c.Code), cleanText(c.Outcome)
	c.Captured, c.Inputs, c.GrantedScopes = cleanMap(c.Captured), cleanMap(c.Inputs), cleanList(c.GrantedScopes)
	return c
}

// Normalize returns the integration in the form in which it is stored.
func (i Integration) Normalize() Integration {
	i.Scopes, i.UpdatedAt = cleanList(i.Scopes), cleanTime(i.UpdatedAt)
	if len(i.Secrets) == 0 {
		i.Secrets = nil
	}
	return i
}

// PageSize is the limit with its default and its cap.
func (f ConnectionFilter) PageSize() int {
	const standard, most = 100, 1000
	if f.Limit <= 0 {
		return standard
	}
	return min(f.Limit, most)
}

func cleanTime(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Microsecond)
}

func cleanText(s string) string {
	const replacement = "\uFFFD"
	return strings.ReplaceAll(strings.ToValidUTF8(s, replacement), "\x00", replacement)
}

func cleanBytes(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return b
}

func cleanList(list []string) []string {
	if len(list) == 0 {
		return nil
	}
	clean := make([]string, len(list))
	for i, s := range list {
		clean[i] = cleanText(s)
	}
	return clean
}

func cleanMap(m map[string]string) map[string]string {
	if len(m) == 0 {
		return nil
	}
	clean := make(map[string]string, len(m))
	for k, v := range m {
		clean[cleanText(k)] = cleanText(v)
	}
	return clean
}
