package devserver

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// record is what a data directory knows about the server that runs on it.
type record struct {
	identity

	Binary    string `json:"binary"`
	Address   string `json:"address"`
	UIAddress string `json:"ui_address,omitempty"`
	DBFile    string `json:"db_file"`
}

// readRecord returns nil if there is no record that can be used.
func readRecord(path string) *record {
	raw, err := os.ReadFile(path) //nolint:gosec // a path below the caller's data directory
	if err != nil {
		return nil
	}
	var r record
	if json.Unmarshal(raw, &r) != nil {
		return nil
	}
	return &r
}

func (r record) write(path string) error {
	raw, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("record the Temporal dev server: %w", err)
	}
	if err := os.WriteFile(path+".new", append(raw, '\n'), 0o600); err != nil {
		return fmt.Errorf("record the Temporal dev server: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("record the Temporal dev server: %w", err)
	}
	return nil
}

// dropRecord removes the record of one server, and no other's.
func dropRecord(path string, id identity) error {
	if r := readRecord(path); r != nil && r.identity != id {
		return nil
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("drop the record of the Temporal dev server: %w", err)
	}
	return nil
}
