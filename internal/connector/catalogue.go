package connector

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"time"
)

//go:embed catalogue/*.json
var embedded embed.FS

// Source holds the connectors that operators have added, as JSON documents by id.
type Source interface {
	// ConnectorDocument returns one; ok is false if there is none.
	ConnectorDocument(ctx context.Context, id string) (document []byte, ok bool, err error)
	// ConnectorDocuments returns all of them.
	ConnectorDocuments(ctx context.Context) (map[string][]byte, error)
}

// Catalogue is a set of connectors by id: those that are built in, those that code has added, and those of a Source. It
// reads a file when it is first asked for: a test has read them all. It is safe for concurrent use.
type Catalogue struct {
	files fs.FS
	dir   string
	// names of the files, by id.
	names map[string]string

	mu       sync.Mutex
	loaded   map[string]Connector
	source   Source
	loopback bool
	added    map[string]remembered
}

// remembered is a connector of the Source, and until when it is taken for fresh.
type remembered struct {
	connector Connector
	until     time.Time
}

// freshness is how long a connector of the Source is used before it is read again.
const freshness = 10 * time.Second

// Load opens the embedded catalogue.
func Load() (*Catalogue, error) { return LoadFS(embedded, "catalogue") }

// LoadFS opens a directory of *.json files, one connector a file, named <id>.json.
func LoadFS(files fs.FS, dir string) (*Catalogue, error) {
	entries, err := fs.ReadDir(files, dir)
	if err != nil {
		return nil, fmt.Errorf("read catalogue: %w", err)
	}
	c := &Catalogue{
		files: files, dir: dir, names: make(map[string]string, len(entries)),
		loaded: make(map[string]Connector), added: make(map[string]remembered),
	}
	for _, entry := range entries {
		if id, ok := strings.CutSuffix(entry.Name(), ".json"); ok && !entry.IsDir() {
			c.names[id] = entry.Name()
		}
	}
	return c, nil
}

// UseSource adds the connectors of a Source; loopback lets them be on this machine.
func (c *Catalogue) UseSource(source Source, loopback bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.source, c.loopback = source, loopback
}

// Parse reads one connector; unknown members are faults, so that a misspelt one is not silently without effect.
func Parse(content []byte) (Connector, error) { return parse(content, false) }

// ParseLoopback is Parse for connectors that may be on this machine.
func ParseLoopback(content []byte) (Connector, error) { return parse(content, true) }

func parse(content []byte, loopback bool) (Connector, error) {
	c, err := decode(content, loopback)
	if err != nil {
		return c, err
	}
	return c, c.Validate()
}

// parseAs is parse for a document that is kept under an id: another id in it would pass for somebody else's connector.
func parseAs(id string, content []byte, loopback bool) (Connector, error) {
	c, err := parse(content, loopback)
	if err == nil && c.ID != id {
		err = fmt.Errorf("the document of connector %q holds connector %q", id, c.ID)
	}
	if err != nil {
		return Connector{}, err
	}
	return c, nil
}

// Decode reads one connector without checking it, for what [Connector.Discovery] is yet to complete.
func Decode(content []byte, loopback bool) (Connector, error) { return decode(content, loopback) }

func decode(content []byte, loopback bool) (Connector, error) {
	var c Connector
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&c); err != nil {
		return Connector{}, fmt.Errorf("not a connector: %w", err)
	}
	if decoder.More() {
		return Connector{}, errors.New("not a connector: there is something after it")
	}
	c.Loopback = loopback
	if c.Scopes.Separator == "" {
		c.Scopes.Separator = " "
	}
	return c, nil
}

// Add puts a connector into the catalogue before it is used.
func (c *Catalogue) Add(connector Connector) error {
	if err := connector.Validate(); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.builtIn(connector.ID) {
		return fmt.Errorf("connector %q is there already", connector.ID)
	}
	if c.loaded == nil {
		c.loaded = make(map[string]Connector)
	}
	c.loaded[connector.ID] = connector
	return nil
}

// BuiltIn reports whether a connector comes with the program, and so cannot be replaced by one of the Source.
func (c *Catalogue) BuiltIn(id string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.builtIn(id)
}

func (c *Catalogue) builtIn(id string) bool {
	_, file := c.names[id]
	_, loaded := c.loaded[id]
	return file || loaded
}

// Get returns a connector, or an error: an [*UnknownError] that suggests near names, or that of the Source.
func (c *Catalogue) Get(ctx context.Context, id string) (Connector, error) {
	connector, found, err := c.local(id)
	if found || err != nil {
		return connector, err
	}
	return c.fromSource(ctx, id)
}

// local finds a connector that needs no Source.
func (c *Catalogue) local(id string) (Connector, bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if connector, ok := c.loaded[id]; ok {
		return connector, true, nil
	}
	name, ok := c.names[id]
	if !ok {
		return Connector{}, false, nil
	}
	content, err := fs.ReadFile(c.files, path.Join(c.dir, name))
	if err != nil {
		return Connector{}, false, fmt.Errorf("read catalogue: %w", err)
	}
	connector, err := Parse(content)
	switch {
	case err != nil:
		return Connector{}, false, fmt.Errorf("%s: %w", name, err)
	case connector.ID != id:
		return Connector{}, false, fmt.Errorf("%s holds connector %q: name the file %s.json", name, connector.ID, connector.ID)
	}
	c.loaded[id] = connector
	return connector, true, nil
}

// fromSource finds a connector that operators have added. If the Source is away, the last one known goes on being used.
func (c *Catalogue) fromSource(ctx context.Context, id string) (Connector, error) {
	c.mu.Lock()
	source, loopback := c.source, c.loopback
	known, ok := c.added[id]
	c.mu.Unlock()
	if ok && time.Now().Before(known.until) {
		return known.connector, nil
	}
	if source == nil || !idPattern.MatchString(id) {
		return Connector{}, &UnknownError{ID: id, Near: c.near(id)}
	}
	document, exists, err := source.ConnectorDocument(ctx, id)
	switch {
	case err != nil && ok:
		return known.connector, nil
	case err != nil:
		return Connector{}, err
	case !exists:
		c.forget(id)
		return Connector{}, &UnknownError{ID: id, Near: c.near(id)}
	}
	connector, err := parseAs(id, document, loopback)
	if err != nil {
		return Connector{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.added == nil {
		c.added = make(map[string]remembered)
	}
	c.added[id] = remembered{connector: connector, until: time.Now().Add(freshness)}
	return connector, nil
}

// forget drops a connector that the Source no longer has.
func (c *Catalogue) forget(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.added, id)
}

// IDs returns the ids of all connectors that need no Source, in order.
func (c *Catalogue) IDs() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	ids := make(map[string]bool, len(c.names)+len(c.loaded))
	for id := range c.names {
		ids[id] = true
	}
	for id := range c.loaded {
		ids[id] = true
	}
	return slices.Sorted(maps.Keys(ids))
}

// AllIDs is IDs, and those of the Source.
func (c *Catalogue) AllIDs(ctx context.Context) ([]string, error) {
	ids := c.IDs()
	c.mu.Lock()
	source := c.source
	c.mu.Unlock()
	if source == nil {
		return ids, nil
	}
	documents, err := source.ConnectorDocuments(ctx)
	if err != nil {
		return nil, err
	}
	ids = slices.AppendSeq(ids, maps.Keys(documents))
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

// All returns every connector in order of id.
func (c *Catalogue) All(ctx context.Context) ([]Connector, error) {
	ids := c.IDs()
	all := make([]Connector, 0, len(ids))
	for _, id := range ids {
		connector, _, err := c.local(id)
		if err != nil {
			return nil, err
		}
		all = append(all, connector)
	}
	c.mu.Lock()
	source, loopback := c.source, c.loopback
	c.mu.Unlock()
	if source == nil {
		return all, nil
	}
	documents, err := source.ConnectorDocuments(ctx)
	if err != nil {
		return nil, err
	}
	for id, document := range documents {
		if c.BuiltIn(id) {
			continue
		}
		if connector, err := parseAs(id, document, loopback); err == nil {
			all = append(all, connector)
		}
	}
	slices.SortFunc(all, func(a, b Connector) int { return strings.Compare(a.ID, b.ID) })
	return all, nil
}
