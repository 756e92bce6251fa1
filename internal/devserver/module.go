package devserver

import (
	_ "embed"
	"strings"
)

// CLIPackage is the package of the nested module that `worker --dev` runs.
const CLIPackage = "github.com/temporalio/cli/cmd/temporal"

// The nested module. go:embed leaves out directories that hold a go.mod, hence the names.
var (
	//go:embed temporal/temporal.mod
	moduleMod string
	//go:embed temporal/temporal.sum
	moduleSum string
)

// moduleVersion is the version at which the nested module requires a module, or "" if it does not.
func moduleVersion(module string) string {
	for line := range strings.Lines(moduleMod) {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), module+" "); ok {
			version, _, _ := strings.Cut(rest, " ")
			return version
		}
	}
	return ""
}
