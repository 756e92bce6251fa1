package api

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/acme/connections/internal/apikey"
	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/importfile"
)

// Import asks for connections of accounts whose tokens another system has kept.
type Import struct {
	Records []ImportRecord `json:"records" nullable:"false" minItems:"1" maxItems:"200"`
	Owner   string         `json:"owner,omitempty" maxLength:"200" doc:"That of all records, which then need none; to be left out by a key that acts for one owner."`
	DryRun  bool           `json:"dry_run,omitempty" doc:"Checks everything and writes nothing."`
	Replace bool           `json:"replace,omitempty" doc:"Gives a connection that needs a person the tokens of its record. Any other keeps its own."`
}

// ImportRecord is one account. Its members are those of a line of JSON that "starter import" reads.
type ImportRecord struct {
	ExternalID            string            `json:"external_id" minLength:"1" maxLength:"200" doc:"The account's id in the other system: what tells it from others when it is imported again. The connection has it as the tag external_id."`
	Connector             string            `json:"connector" minLength:"1" maxLength:"200" example:"hubspot"`
	Owner                 string            `json:"owner,omitempty" maxLength:"200"`
	AccessToken           string            `json:"access_token" minLength:"1" maxLength:"32768" writeOnly:"true" format:"password"`
	RefreshToken          string            `json:"refresh_token,omitempty" maxLength:"32768" writeOnly:"true" format:"password"`
	TokenType             string            `json:"token_type,omitempty" maxLength:"200"`
	ExpiresAt             *time.Time        `json:"expires_at,omitempty" doc:"When the access token expires."`
	NoExpiration          bool              `json:"no_expiration,omitempty" doc:"Says that the access token has no expiry."`
	IssuedAt              *time.Time        `json:"issued_at,omitempty"`
	ConsentedAt           *time.Time        `json:"consented_at,omitempty"`
	RefreshTokenExpiresAt *time.Time        `json:"refresh_token_expires_at,omitempty"`
	Scopes                []string          `json:"scopes,omitempty" nullable:"false" maxItems:"200" doc:"Those granted."`
	ClientID              string            `json:"client_id,omitempty" maxLength:"200" doc:"Of the OAuth app that the tokens were issued to, where there are several."`
	EndUser               string            `json:"end_user,omitempty" maxLength:"200"`
	Inputs                map[string]string `json:"inputs,omitempty" doc:"What the connector wants entered, such as the name of a shop."`
	Metadata              map[string]string `json:"metadata,omitempty"`
	Tags                  map[string]string `json:"tags,omitempty"`
}

// ImportReport says what has become of the records. Each is counted in one of created, already_there, replaced and
// failed.
type ImportReport struct {
	DryRun       bool            `json:"dry_run"`
	Records      int64           `json:"records"`
	Created      int64           `json:"created"`
	AlreadyThere int64           `json:"already_there" doc:"Imported before, and left alone: their tokens have been renewed here."`
	Replaced     int64           `json:"replaced"`
	Failed       int64           `json:"failed"`
	NeedReauth   int64           `json:"need_reauth" doc:"Those of already_there that need a person."`
	Failures     []ImportFailure `json:"failures" nullable:"false"`
}

// ImportFailure is what is wrong with one record. It holds no value of the record's.
type ImportFailure struct {
	Record  int    `json:"record" doc:"Which record of the request, from 1."`
	Code    string `json:"code"`
	Field   string `json:"field" doc:"Empty if the record as a whole is meant."`
	Message string `json:"message"`
}

type (
	importInput struct {
		Body Import
	}
	importOutput struct{ Body ImportReport }
)

const (
	importPath = Root + "connections/import"
	// maxRecords is how many records a request may have; the schema says so too.
	maxRecords = 200
	// maxImport bounds the body of an import, in bytes: 200 records with long tokens.
	maxImport = 1 << 20
)

func (s *Server) addImport() {
	register(s, operation{
		id: "import-connections", method: http.MethodPost, path: importPath, scope: apikey.ScopeConnectionsWrite, tag: tagConnections,
		errors: []int{http.StatusConflict, http.StatusRequestTimeout, http.StatusRequestEntityTooLarge}, body: maxImport,
		summary: "Import accounts with their tokens",
		description: "Up to 200 at a time; `starter import` takes whole files. Owner, connector and external id say which connection a record is, so that a request can be sent again: what is there is left alone. " +
			"A record that cannot be imported costs no other, and is in the report.",
	}, s.importConnections)
}

func (s *Server) importConnections(ctx context.Context, in *importInput) (*importOutput, error) {
	owner, err := callerOf(ctx).ownerOf(in.Body.Owner)
	if err != nil {
		return nil, err
	}
	if wait := s.limits.takeImport(callerOf(ctx).KeyID); wait > 0 {
		return nil, rateLimited(wait)
	}
	// One line each, so that the line of a failure is the number of its record, and one reader checks all imports.
	var lines bytes.Buffer
	encoder := json.NewEncoder(&lines)
	for _, record := range in.Body.Records {
		if err := encoder.Encode(record); err != nil { //nolint:gosec // into memory that is cleared
			return nil, err
		}
	}
	defer func() { clear(lines.Bytes()) }()
	reader, err := importfile.NewReader(bytes.NewReader(lines.Bytes()), importfile.JSONLines)
	if err != nil {
		return nil, err
	}
	report, err := s.Connections.Import(ctx, reader, connections.ImportOptions{
		Owner: owner, DryRun: in.Body.DryRun, Replace: in.Body.Replace, Examples: len(in.Body.Records),
	})
	if err != nil {
		return nil, err
	}
	return &importOutput{Body: importReportOf(report)}, nil
}

func importReportOf(r connections.ImportReport) ImportReport {
	out := ImportReport{
		DryRun: r.DryRun, Records: r.Records, Created: r.Created, AlreadyThere: r.AlreadyThere, Replaced: r.Replaced,
		Failed: r.Failed, NeedReauth: r.NeedReauth, Failures: make([]ImportFailure, 0, len(r.Failures)),
	}
	for _, f := range r.Failures {
		out.Failures = append(out.Failures, ImportFailure{Record: f.Line, Code: f.Code, Field: f.Field, Message: f.Message})
	}
	return out
}
