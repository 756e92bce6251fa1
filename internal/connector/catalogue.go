package connector

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

//go:embed catalogue/*.json
var embedded embed.FS

// Catalogue is a set of connectors by id. It does not change once it is in use.
type Catalogue struct {
	byID map[string]Connector
}

// Load reads the embedded catalogue.
func Load() (*Catalogue, error) { return LoadFS(embedded, "catalogue") }

// LoadFS reads every *.json file of a directory, one connector a file, named <id>.json.
func LoadFS(files fs.FS, dir string) (*Catalogue, error) {
	entries, err := fs.ReadDir(files, dir)
	if err != nil {
		return nil, fmt.Errorf("read catalogue: %w", err)
	}
	catalogue := &Catalogue{byID: make(map[string]Connector, len(entries))}
	for _, entry := range entries {
		if entry.IsDir() || path.Ext(entry.Name()) != ".json" {
			continue
		}
		content, err := fs.ReadFile(files, path.Join(dir, entry.Name()))
		if err != nil {
			return nil, fmt.Errorf("read catalogue: %w", err)
		}
		c, err := Parse(content)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", entry.Name(), err)
		}
		if entry.Name() != c.ID+".json" {
			return nil, fmt.Errorf("%s holds connector %q: name the file %s.json", entry.Name(), c.ID, c.ID)
		}
		if err := catalogue.Add(c); err != nil {
			return nil, err
		}
	}
	return catalogue, nil
}

// Parse reads one connector; unknown members are faults, so that a misspelt one is not silently without effect.
func Parse(content []byte) (Connector, error) {
	var c Connector
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&c); err != nil {
		return Connector{}, fmt.Errorf("not a connector: %w", err)
	}
	return c, c.Validate()
}

// Add puts a connector into the catalogue before it is used.
func (c *Catalogue) Add(connector Connector) error {
	if err := connector.Validate(); err != nil {
		return err
	}
	if _, ok := c.byID[connector.ID]; ok {
		return fmt.Errorf("connector %q is there already", connector.ID)
	}
	if c.byID == nil {
		c.byID = make(map[string]Connector)
	}
	c.byID[connector.ID] = connector
	return nil
}

// Get returns a connector, or an error that suggests near names.
func (c *Catalogue) Get(id string) (Connector, error) {
	if connector, ok := c.byID[id]; ok {
		return connector, nil
	}
	return Connector{}, &UnknownError{ID: id, Near: c.near(id)}
}

// All returns every connector in order of id.
func (c *Catalogue) All() []Connector {
	all := make([]Connector, 0, len(c.byID))
	for _, connector := range c.byID {
		all = append(all, connector)
	}
	slices.SortFunc(all, func(a, b Connector) int { return strings.Compare(a.ID, b.ID) })
	return all
}

// UnknownError says that there is no such connector.
type UnknownError struct {
	ID   string
	Near []string
}

func (e *UnknownError) Error() string {
	s := fmt.Sprintf("there is no connector %q", e.ID)
	if len(e.Near) > 0 {
		s += "; did you mean " + strings.Join(e.Near, ", ") + "?"
	}
	return s + " \"starter connectors\" lists them all"
}

// near returns up to three ids that look like id.
func (c *Catalogue) near(id string) []string {
	type candidate struct {
		id       string
		distance int
	}
	id = strings.ToLower(id)
	if len(id) > 64 {
		id = id[:64]
	}
	var found []candidate
	for known := range c.byID {
		d := distance(id, known)
		if min(len(id), len(known)) >= 3 && (strings.Contains(known, id) || strings.Contains(id, known)) {
			d = min(d, 2)
		}
		if d <= max(2, len(id)/3) && d < len(id) {
			found = append(found, candidate{known, d})
		}
	}
	slices.SortFunc(found, func(a, b candidate) int {
		if a.distance != b.distance {
			return a.distance - b.distance
		}
		return strings.Compare(a.id, b.id)
	})
	var ids []string
	for _, f := range found[:min(3, len(found))] {
		ids = append(ids, f.id)
	}
	return ids
}

// distance is the Levenshtein distance in bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := diagonal
			if a[i-1] != b[j-1] {
				cost++
			}
			diagonal = row[j]
			row[j] = min(row[j]+1, row[j-1]+1, cost)
		}
	}
	return row[len(b)]
}
