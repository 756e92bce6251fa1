package devserver

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Options says which server [Start] starts. The zero value is a headless server in memory.
type Options struct {
	// DataDir keeps the server's database, log and record. It is made if missing. Empty: all in memory; such a server
	// ends with its parent, where the system can do that (Linux).
	DataDir string
	// Port and UIPort are the gRPC and Web UI ports on 127.0.0.1. 0: any free one.
	Port, UIPort int
	// UI serves the Web UI.
	UI bool
	// Namespace is made if missing. Empty: "default".
	Namespace string
	// SearchAttributes are names of keywords to register in the namespace.
	SearchAttributes []string
	// Log gets progress, one line for people each time. Nil: nothing.
	Log io.Writer
	// DieWithParent ends the server when this process dies in whatever way (Linux only).
	DieWithParent bool
}

const (
	dbName     = "temporal.db"
	logName    = "temporal.log"
	recordName = "temporal.json"
)

func (o Options) normalised() (Options, error) {
	if o.Log == nil {
		o.Log = io.Discard
	}
	if o.Namespace == "" {
		o.Namespace = "default"
	}
	if o.DataDir == "" {
		o.DieWithParent = true
		return o, nil
	}
	dir, err := makeDataDir(o.DataDir)
	if err != nil {
		return o, err
	}
	o.DataDir = dir
	return o, nil
}

func (o Options) dbFile() string     { return filepath.Join(o.DataDir, dbName) }
func (o Options) logFile() string    { return filepath.Join(o.DataDir, logName) }
func (o Options) recordFile() string { return filepath.Join(o.DataDir, recordName) }

// makeDataDir makes the directory and returns its one absolute name, by which a server on it is recognised.
func makeDataDir(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("find the data directory: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("make the data directory: %w", err)
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return "", fmt.Errorf("find the data directory: %w", err)
	}
	// The dev server puts the path into a SQLite URI unescaped and would open another file.
	if strings.ContainsAny(dir, "?#%") {
		return "", fmt.Errorf("the path of the data directory %q has one of ? # %%, which the Temporal dev server "+
			"cannot open: choose another with --data-dir", dir)
	}
	return dir, nil
}

// limits bounds every wait.
type limits struct {
	ready time.Duration // for a new server to answer
	adopt time.Duration // for a recorded server to answer
	stop  time.Duration // from the polite signal to the kill
}

func defaultLimits() limits {
	return limits{ready: 60 * time.Second, adopt: 10 * time.Second, stop: 10 * time.Second}
}
