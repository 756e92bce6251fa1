// Package deptest holds the import rules of DESIGN as tests: each guarded package says in a test of its own which of
// our packages it may reach, directly or not.
package deptest

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/acme/connections/"

// MayReach fails if the package in whose directory the test runs reaches a package of ours that is not named, itself
// aside. Names are relative to the module: "internal/secret".
func MayReach(t *testing.T, allowed ...string) {
	t.Helper()
	self := strings.TrimSpace(list(t, "-f", "{{.ImportPath}}", "."))
	for path := range strings.FieldsSeq(list(t, "-deps", "-f", "{{.ImportPath}}", ".")) {
		ours, is := strings.CutPrefix(path, module)
		if is && path != self && !slices.Contains(allowed, ours) {
			t.Errorf("%s reaches %s, which it must not know", self, path)
		}
	}
}

// MayImport fails if the package imports anything, of whomever, that is not named.
func MayImport(t *testing.T, allowed ...string) {
	t.Helper()
	for path := range strings.FieldsSeq(list(t, "-f", `{{join .Imports " "}}`, ".")) {
		if !slices.Contains(allowed, path) {
			t.Errorf("imports %s, which is not on its list", path)
		}
	}
}

func list(t *testing.T, args ...string) string {
	t.Helper()
	output, err := exec.Command("go", append([]string{"list"}, args...)...).Output()
	require.NoError(t, err)
	return string(output)
}
