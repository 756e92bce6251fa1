package devserver

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// EnvCLI is the environment variable that names a Temporal CLI, before PATH is searched.
const EnvCLI = "CONNECTIONS_TEMPORAL_CLI"

// ResolveCLI finds a Temporal CLI: the one that [EnvCLI] names, the one on PATH, or our own build, made now if need be.
func ResolveCLI(ctx context.Context, log io.Writer) (string, error) {
	return resolver{
		named:    os.Getenv(EnvCLI),
		lookPath: exec.LookPath,
		build: Builder{
			Package: CLIPackage,
			Title:   "the Temporal CLI " + moduleVersion("github.com/temporalio/cli"),
			Log:     log,
		}.Build,
	}.resolve(ctx, log)
}

type resolver struct {
	named    string
	lookPath func(string) (string, error)
	build    func(context.Context) (string, error)
}

func (r resolver) resolve(ctx context.Context, log io.Writer) (string, error) {
	if r.named != "" {
		path, err := r.lookPath(r.named)
		if err == nil {
			path, err = filepath.Abs(path)
		}
		if err == nil {
			err = checkCLI(ctx, path)
		}
		if err != nil {
			return "", fmt.Errorf("%s=%s cannot be used: name a Temporal CLI that has `temporal server start-dev`, or unset it: %w",
				EnvCLI, r.named, err)
		}
		return path, nil
	}
	if path, err := r.lookPath("temporal"); err == nil {
		if path, err = filepath.Abs(path); err == nil {
			err = checkCLI(ctx, path)
		}
		if err == nil {
			return path, nil
		}
		say(log, "Not using %s: %v.", path, err)
	}
	return r.build(ctx)
}

// checkCLI asks a binary whether it has the dev server with every flag that we use.
func checkCLI(ctx context.Context, path string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "server", "start-dev", "--help")
	cmd.Env = childEnv(os.Environ())
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("`temporal server start-dev --help` failed: %w", err)
	}
	for _, flag := range []string{
		"--db-filename", "--dynamic-config-value", "--headless", "--ip", "--log-level", "--namespace", "--port",
		"--search-attribute", "--sqlite-pragma", "--ui-port",
	} {
		if !strings.Contains(string(out), flag) {
			return fmt.Errorf("its `server start-dev` lacks %s", flag)
		}
	}
	return nil
}

// childEnv leaves out Temporal's own variables: they are for clients, and the CLI would take flags from them.
func childEnv(env []string) []string {
	var kept []string
	for _, kv := range env {
		if !strings.HasPrefix(kv, "TEMPORAL_") {
			kept = append(kept, kv)
		}
	}
	return kept
}
