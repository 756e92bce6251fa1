package oauth

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/acme/connections/internal/connector"
)

const (
	// maxLife bounds a token's life: nanoseconds or milliseconds sent as seconds must not become "never".
	maxLife = 365 * 24 * time.Hour
	// maxRefreshLife bounds a refresh token's.
	maxRefreshLife = 10 * maxLife
	// firstMilli tells an epoch in milliseconds from one in seconds: as seconds it is in the year 5138.
	firstMilli = 1e11
	lastMilli  = 1e15
)

// life is how long the access token lives, in whatever way the reply says it; 0 if it says nothing.
func (o object) life(conn connector.Connector, token string, issued time.Time) time.Duration {
	if life := duration(text(o.any(conn.Reply.ExpiresIn, "expires_in")), expiresUnit(conn), maxLife); life > 0 {
		return life
	}
	if at := moment(text(o.any(conn.Reply.ExpiresAt, "expires_at"))); at.After(issued) {
		return min(at.Sub(issued), maxLife)
	}
	if conn.Reply.ExpiresJWT {
		if at := moment(jwtExpiry(token)); at.After(issued) {
			return min(at.Sub(issued), maxLife)
		}
	}
	return 0
}

// refreshLife is how long the refresh token lives; 0 if the reply does not say.
func (o object) refreshLife(conn connector.Connector, issued time.Time) time.Duration {
	if life := duration(text(find(o, orElse(conn.Reply.RefreshExpiresIn, "refresh_token_expires_in"))), time.Second, maxRefreshLife); life > 0 {
		return life
	}
	if conn.Reply.RefreshExpiresAt == "" {
		return 0
	}
	return min(max(moment(text(find(o, conn.Reply.RefreshExpiresAt))).Sub(issued), 0), maxRefreshLife)
}

// expiresUnit is the unit of lives in replies.
func expiresUnit(conn connector.Connector) time.Duration {
	switch conn.Reply.ExpiresUnit {
	case "ms":
		return time.Millisecond
	case "min":
		return time.Minute
	default:
		return time.Second
	}
}

// duration reads a number of units, in whatever way it is written; 0 if it says nothing.
func duration(text string, unit, most time.Duration) time.Duration {
	text = strings.TrimSpace(text)
	n, err := strconv.ParseFloat(text, 64)
	if text == "" || err != nil || math.IsNaN(n) || n <= 0 {
		return 0
	}
	if n >= most.Seconds()*float64(time.Second)/float64(unit) {
		return most
	}
	return time.Duration(n * float64(unit)).Truncate(time.Second)
}

// moment reads a point in time: RFC 3339, or seconds or milliseconds since 1970; zero if it is neither.
func moment(text string) time.Time {
	text = strings.TrimSpace(text)
	if n, err := strconv.ParseFloat(text, 64); err == nil && n > 0 && n < lastMilli {
		if n >= firstMilli {
			return time.UnixMilli(int64(n))
		}
		return time.Unix(int64(n), 0)
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05.999999999Z0700", "2006-01-02 15:04:05Z07:00"} {
		if at, err := time.Parse(layout, text); err == nil {
			return at
		}
	}
	return time.Time{}
}

// jwtExpiry is the "exp" of a JWT, which is not verified: it tells us when to renew, no more.
func jwtExpiry(token string) string {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return ""
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil {
		return ""
	}
	var claims struct {
		Exp json.Number `json:"exp"`
	}
	if json.Unmarshal(payload, &claims) != nil {
		return ""
	}
	return claims.Exp.String()
}
