package connections

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/importfile"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// importer is one import.
type importer struct {
	client   *Client
	options  ImportOptions
	examples int
	pace     pace

	// connectors, apps and lines are remembered for the length of the import; only connectors and lines are used by the
	// reader alone.
	connectors map[string]foundConnector
	lines      map[string]int
	appsMu     sync.Mutex
	apps       map[string][]vault.Integration

	mu     sync.Mutex
	report ImportReport
}

type foundConnector struct {
	connector connector.Connector
	err       error
}

// plan is a record with the place that it is to have.
type plan struct {
	record    importfile.Record
	connector connector.Connector
	owner, id string
	// unsure is set once an insertion had no answer: the row may be ours.
	unsure bool
	// replacing is set once the row's status says that it has new tokens.
	replacing bool
}

func newImporter(c *Client, o ImportOptions) (*importer, error) {
	const examples = 100
	i := &importer{
		client: c, options: o, examples: o.Examples, pace: pace{now: c.Now, next: make(map[string]time.Time)},
		connectors: make(map[string]foundConnector), lines: make(map[string]int), apps: make(map[string][]vault.Integration),
		report: ImportReport{DryRun: o.DryRun, FailuresByCode: make(map[string]int64), Failures: []ImportFailure{}},
	}
	if i.examples <= 0 {
		i.examples = examples
	}
	if o.Owner != "" && !printable(o.Owner) {
		return i, invalid("The owner must be 1 to %d printable characters: it names the customer whose connections these are.", maxText)
	}
	return i, nil
}

// plan finds the place of a record. Its error is about the record, or passing.
func (i *importer) plan(ctx context.Context, r importfile.Record) (plan, error) {
	p := plan{record: r}
	var err error
	if p.connector, err = i.connectorOf(ctx, r); err != nil {
		return p, err
	}
	switch {
	case i.options.Owner != "" && r.Owner != "" && r.Owner != i.options.Owner:
		return p, unimportable(string(workflows.ReasonInvalid), "owner", "The record has another owner than the one that the import is for.")
	case i.options.Owner != "":
		p.owner = i.options.Owner
	case r.Owner != "":
		p.owner = r.Owner
	default:
		p.owner = r.Guess.Owner
	}
	switch {
	case p.owner == "":
		return p, unimportable(string(workflows.ReasonInvalid), "owner", "The record names no owner, the customer whose connection it is. Name one in the file, or with --owner for all records.")
	case !printable(p.owner):
		return p, unimportable(string(workflows.ReasonInvalid), "owner", "The owner must be 1 to %d printable characters.", maxText)
	case !printable(r.ExternalID):
		return p, unimportable(string(workflows.ReasonInvalid), "external_id", "The external id must be 1 to %d printable characters.", maxText)
	}
	p.id = importID(p.owner, p.connector.ID, r.Namespace, r.ExternalID)
	if first, twice := i.lines[p.id]; twice {
		return p, unimportable(CodeRecordDuplicate, "external_id", "Line %d has the same owner, connector and external id. Keep the one whose tokens are the newest.", first)
	}
	i.lines[p.id] = r.Line
	return p, nil
}

// importID is the connection id of an account of another system. It says nothing of its parts, and is as good as unique:
// 160 bits of a hash, in the alphabet of newID, and longer than its ids.
func importID(parts ...string) string {
	var all []byte
	for _, part := range parts {
		all = binary.AppendUvarint(all, uint64(len(part)))
		all = append(all, part...)
	}
	sum := sha256.Sum256(append([]byte("import\x00"), all...))
	return "con_" + strings.ToLower(base32.HexEncoding.EncodeToString(sum[:20]))
}

// connectorOf finds the connector that the options, the record, or another system's names say.
func (i *importer) connectorOf(ctx context.Context, r importfile.Record) (connector.Connector, error) {
	names := r.Guess.Connectors
	for _, name := range r.Guess.Connectors {
		if ours, ok := i.options.ConnectorNames[name]; ok {
			names = []string{ours}
			break
		}
	}
	named := r.Connector
	if ours, ok := i.options.ConnectorNames[named]; ok {
		named = ours
	}
	switch {
	case i.options.Connector != "" && named != "" && named != i.options.Connector:
		return connector.Connector{}, unimportable(string(workflows.ReasonInvalid), "connector", "The record is of another connector than the one that the import is for.")
	case i.options.Connector != "":
		names = []string{i.options.Connector}
	case named != "":
		names = []string{named}
	}
	if len(names) == 0 {
		return connector.Connector{}, unimportable(string(workflows.ReasonInvalid), "connector", "The record names no connector. Name one in the file, or with --connector for all records.")
	}
	var near []string
	for _, name := range names {
		conn, err := i.find(ctx, name)
		var unknown *connector.UnknownError
		var engine *vault.EngineError
		switch {
		case err == nil:
			return conn, importable(conn)
		case errors.As(err, &unknown):
			near = append(near, unknown.Near...)
		case errors.As(err, &engine), ctx.Err() != nil:
			return conn, vaultError(err, "")
		default:
			return conn, unimportable(string(workflows.ReasonConnectorMissing), "connector", "%s", workflows.ReasonConnectorMissing.Sentence())
		}
	}
	hint := ""
	if len(near) > 0 {
		hint = " Did you mean " + strings.Join(near, ", ") + "?"
	}
	return connector.Connector{}, unimportable(CodeUnknownConnector, "connector",
		"There is no connector %s.%s \"starter connectors\" lists them all; --map NAME=CONNECTOR translates another system's names.", importfile.Shown(names[0]), hint)
}

// find is Catalogue.Get, once for each name.
func (i *importer) find(ctx context.Context, name string) (connector.Connector, error) {
	if len(name) > maxText {
		name = name[:maxText]
	}
	found, ok := i.connectors[name]
	if !ok {
		found.connector, found.err = i.client.Catalogue.Get(ctx, name)
		var unknown *connector.UnknownError
		if found.err == nil || errors.As(found.err, &unknown) {
			i.connectors[name] = found
		}
	}
	return found.connector, found.err
}

// importable says why there is nothing to import for a connector.
func importable(conn connector.Connector) error {
	if !conn.Allows(connector.AuthorizationCode) {
		return unimportable(string(workflows.ReasonInvalid), "connector",
			"%s connects with the OAuth app's own credentials only, so there is nothing to import: make the connection with \"starter connect %s\".", conn.Name, conn.ID)
	}
	return nil
}

// pace spreads the first renewals of what is overdue, so that many connections that are imported at once do not ask a
// provider all at once. Whoever reads one of them meanwhile has it renewed at once.
type pace struct {
	now  func() time.Time
	mu   sync.Mutex
	next map[string]time.Time
}

// paceShare is the part of a connector's rate of calls that an import takes.
const paceShare = 5

// slot is the next connection's time.
func (p *pace) slot(conn connector.Connector) time.Time {
	const standard = 50
	rate := conn.Token.RatePerSecond
	if rate <= 0 {
		rate = standard
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	at := p.next[conn.ID]
	if now := p.now().UTC(); at.Before(now) {
		at = now
	}
	p.next[conn.ID] = at.Add(time.Duration(float64(time.Second) * paceShare / rate))
	return at
}
