package pgtest

import (
	"fmt"
	"net/url"
)

// withDatabase replaces the database in a URL.
func withDatabase(serverURL, name string) (string, error) {
	u, err := url.Parse(serverURL)
	if err != nil || (u.Scheme != "postgres" && u.Scheme != "postgresql") {
		return "", fmt.Errorf("pgtest: %s must be a URL like postgres://user:password@host:5432/database",
			environmentVariable)
	}
	u.Path = "/" + name
	return u.String(), nil
}
