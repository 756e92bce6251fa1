package pgtest

import (
	"crypto/rand"
	"net/url"
	"strings"
	"testing"
)

// Login makes a user with the given rights, such as "IN ROLE r", and returns the database's URL for it. The user goes when
// the test ends.
func Login(t testing.TB, databaseURL, rights string) string {
	t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	name, password := "caller_"+strings.ToLower(rand.Text()[:12]), rand.Text()
	if err := execute(databaseURL, "CREATE ROLE "+name+" LOGIN PASSWORD '"+password+"' "+rights); err != nil {
		t.Fatalf("pgtest: cannot make a user: %v", err)
	}
	t.Cleanup(func() {
		for _, statement := range []string{"DROP OWNED BY " + name, "DROP ROLE " + name} {
			if err := execute(databaseURL, statement); err != nil {
				t.Errorf("pgtest: cannot drop the user: %v", err)
			}
		}
	})
	u.User = url.UserPassword(name, password)
	return u.String()
}
