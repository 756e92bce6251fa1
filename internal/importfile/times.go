package importfile

import (
	"strconv"
	"strings"
	"time"
)

// Epochs: what is larger than firstMilli is in milliseconds (as seconds it is in the year 5138).
const (
	firstMilli = 100_000_000_000
	lastMilli  = 1_000_000_000_000_000
)

// layouts are those of RFC 3339 and of the databases' own text.
func layouts() []string {
	return []string{
		time.RFC3339, "2006-01-02T15:04:05Z0700", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05Z0700",
		"2006-01-02 15:04:05Z07", "2006-01-02 15:04:05 Z07:00", "2006-01-02 15:04:05 Z0700", "2006-01-02 15:04:05 UTC",
	}
}

// parseTime reads a point in time: RFC 3339, a database's text with its zone, or seconds or milliseconds since 1970;
// zero for an empty text.
func parseTime(name, s string) (time.Time, error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return time.Time{}, nil
	}
	wrong := fieldFault(name, "%s is not a time: give RFC 3339 with a time zone (2027-01-31T12:00:00Z), or seconds since 1970.", name)
	if n, err := strconv.ParseFloat(s, 64); err == nil {
		switch {
		case n > 0 && n < firstMilli:
			return time.UnixMicro(int64(n * 1e6)).UTC(), nil
		case n >= firstMilli && n < lastMilli:
			return time.UnixMilli(int64(n)).UTC(), nil
		default:
			return time.Time{}, wrong
		}
	}
	for _, layout := range layouts() {
		if at, err := time.Parse(layout, s); err == nil && at.Year() >= 1970 && at.Year() < 9999 {
			return at.UTC(), nil
		}
	}
	return time.Time{}, wrong
}
