package devserver

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"
)

// Start returns a server that answers, with the namespace and the search attributes in place. With a data directory it
// adopts the server that an earlier process left there, or starts a new one on the same database. ctx bounds the start
// only; the server runs until [Server.Stop]. If Start fails, no process is left behind.
func Start(ctx context.Context, opts Options) (*Server, error) {
	return starter{limits: defaultLimits(), resolve: ResolveCLI}.start(ctx, opts)
}

func (s starter) start(ctx context.Context, opts Options) (*Server, error) {
	o, err := opts.normalised()
	if err != nil {
		return nil, err
	}
	if o.DataDir == "" {
		return s.launch(ctx, o)
	}
	// Two starts on one directory would start two servers on one database.
	lock := filepath.Join(o.DataDir, "temporal.lock")
	why := fmt.Sprintf("Another process is starting the Temporal dev server of %s: waiting for it …", o.DataDir)
	unlock, err := lockFile(ctx, lock, why, o.Log, 15*time.Second)
	if err != nil {
		return nil, err
	}
	defer unlock()
	server, err := s.adopt(ctx, o)
	if server != nil || err != nil {
		return server, err
	}
	return s.launch(ctx, o)
}

// launch starts a new server. Another program may take a free port between our look and the server's: then it tries
// again with others.
func (s starter) launch(ctx context.Context, o Options) (*Server, error) {
	if err := o.checkPorts(); err != nil {
		return nil, err
	}
	binary, err := s.resolve(ctx, o.Log)
	if err != nil {
		return nil, err
	}
	for attempt := 1; ; attempt++ {
		server, err := s.launchOnce(ctx, o, binary)
		if !errors.Is(err, errPortTaken) {
			return server, err
		}
		if err := o.checkPorts(); err != nil {
			return nil, err
		}
		if attempt == 5 {
			return nil, err
		}
	}
}
