//go:build unix

package devserver

import (
	"context"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

const goodHelp = `[ "$*" = "server start-dev --help" ] || exit 1
echo --db-filename --dynamic-config-value --headless --ip --log-level --namespace --port --search-attribute --sqlite-pragma --ui-port`

func TestResolve(t *testing.T) {
	t.Parallel()
	good, old, other := script(t, goodHelp), script(t, "echo --port"), script(t, "exit 1")
	for name, c := range map[string]struct {
		named, onPath string
		want, err     string
		log           string
	}{
		"named wins":          {named: good, onPath: old, want: good},
		"named is not there":  {named: "/nowhere/temporal", err: EnvCLI + "=/nowhere/temporal cannot be used: name a Temporal CLI"},
		"named is too old":    {named: old, err: "its `server start-dev` lacks --db-filename"},
		"on PATH":             {onPath: good, want: good},
		"on PATH but too old": {onPath: old, want: "built", log: "Not using " + old + ": its `server start-dev` lacks"},
		"on PATH but another": {onPath: other, want: "built", log: "Not using " + other + ": "},
		"nowhere":             {want: "built"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := resolver{
				named: c.named,
				lookPath: func(name string) (string, error) {
					switch {
					case name != "temporal":
						return exec.LookPath(name)
					case c.onPath == "":
						return "", exec.ErrNotFound
					default:
						return c.onPath, nil
					}
				},
				build: func(context.Context) (string, error) { return "built", nil },
			}
			var log lines
			path, err := r.resolve(t.Context(), &log)
			if c.err != "" {
				require.ErrorContains(t, err, c.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, path)
			if c.log == "" {
				require.Empty(t, log.String())
			}
			require.Contains(t, log.String(), c.log)
		})
	}
}

func TestModule(t *testing.T) {
	t.Parallel()
	require.Equal(t, "v1.5.1", moduleVersion("github.com/temporalio/cli"))
	require.Empty(t, moduleVersion("github.com/temporalio"))
	require.Contains(t, moduleMod, "tool "+CLIPackage+"\n")
}

func TestChildEnv(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{"A=1", "B=TEMPORAL_"}, childEnv([]string{"A=1", "TEMPORAL_ADDRESS=x", "B=TEMPORAL_"}))
}
