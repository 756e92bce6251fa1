package devserver

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// A dev server that is killed while it makes its database leaves one without tables, on which no server starts any
// more. So a mark lies beside a database from before it is made until its first server was ready. A marked database was
// never used and is made anew.

func (o Options) markFile() string { return o.dbFile() + ".unfinished" }

// beginDatabase removes an unfinished database, and marks one that is about to be made.
func (o Options) beginDatabase() error {
	if o.DataDir == "" {
		return nil
	}
	if isFile(o.markFile()) {
		for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
			if err := os.Remove(o.dbFile() + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("remove an unfinished database: %w", err)
			}
		}
		return nil
	}
	if isFile(o.dbFile()) {
		return nil
	}
	if err := os.WriteFile(o.markFile(), nil, 0o600); err != nil {
		return fmt.Errorf("prepare the data directory: %w", err)
	}
	return nil
}

// databaseIsComplete removes the mark.
func (o Options) databaseIsComplete() error {
	if o.DataDir == "" {
		return nil
	}
	if err := os.Remove(o.markFile()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("finish the data directory: %w", err)
	}
	return nil
}
