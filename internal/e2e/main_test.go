package e2e_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/acme/connections/internal/devserver"
	"github.com/acme/connections/internal/vault/pgtest"
)

// binaries are the programs under test, built once.
var binaries struct{ worker, starter string }

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if address := os.Getenv(envBareWorker); address != "" {
		if err := runBareWorker(address, os.Stdin, os.Stdout); err != nil {
			return fail(err)
		}
		return 0
	}
	dir, err := os.MkdirTemp("", "connections-e2e-")
	if err != nil {
		return fail(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	binaries.worker, binaries.starter = filepath.Join(dir, "worker"), filepath.Join(dir, "starter")
	for path, pkg := range map[string]string{binaries.worker: "worker", binaries.starter: "starter"} {
		args := []string{"build", "-o", path}
		if raceFlag {
			args = append(args, "-race")
		}
		build := exec.Command("go", append(args, "github.com/acme/connections/"+pkg)...)
		if output, err := build.CombinedOutput(); err != nil {
			return fail(fmt.Errorf("build %s: %w\n%s", pkg, err, output))
		}
	}
	// Built before any test's own clock runs: the first time takes minutes.
	cli, err := devserver.ResolveCLI(context.Background(), os.Stderr)
	if err != nil {
		return fail(err)
	}
	if err := os.Setenv("CONNECTIONS_TEMPORAL_CLI", cli); err != nil {
		return fail(err)
	}
	return pgtest.Run(m)
}

func fail(err error) int {
	_, _ = fmt.Fprintln(os.Stderr, "e2e:", err)
	return 1
}
