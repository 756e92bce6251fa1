package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/acme/connections/internal/apikey"
)

// Version is that of the API as its document tells it.
const Version = "1.0.0"

const securityScheme = "apiKey"

// document begins the OpenAPI document. The library adds the operations to it; it serves nothing by itself.
func (s *Server) document() huma.Config {
	config := huma.DefaultConfig("Connections", Version)
	config.OpenAPIPath, config.DocsPath, config.SchemasPath, config.CreateHooks = "", "", "", nil
	config.RejectUnknownQueryParameters = true
	config.Info.Description = "Keeps OAuth 2.0 access to third-party apps alive. Errors are problem details (RFC 9457) with a code for machines."
	config.Servers = []*huma.Server{{URL: s.Connections.BaseURL}}
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{securityScheme: {
		Type: "http", Scheme: "bearer", BearerFormat: apikey.Prefix + "…",
		Description: "An API key. Each operation names the scope that the key must have.",
	}}
	return config
}

// operation is what all operations say of themselves.
type operation struct {
	id, method, path, scope, summary, description, tag string
	// status is that of success; 200 if zero.
	status int
	// errors are the statuses beside those that any operation may answer.
	errors []int
	// body bounds the body in bytes; maxBody if zero.
	body int64
	look lookUp
}

// register adds an operation: its handler's errors become problems, and its time is bounded.
func register[I, O any](s *Server, o operation, handle func(context.Context, *I) (*O, error)) {
	if o.look == nil {
		o.look = s.lookUpKey
	}
	if o.body == 0 {
		o.body = maxBody
	}
	errs := append([]int{
		http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests, http.StatusServiceUnavailable,
	}, o.errors...)
	huma.Register(s.huma, huma.Operation{
		OperationID: o.id, Method: o.method, Path: o.path, Summary: o.summary, Tags: []string{o.tag},
		Description:   o.description + "\n\nScope: `" + o.scope + "`.",
		DefaultStatus: o.status, Errors: errs, MaxBodyBytes: o.body, BodyReadTimeout: s.BodyLimit,
		Security:    []map[string][]string{{securityScheme: {o.scope}}},
		Middlewares: huma.Middlewares{s.admit(o.scope, o.look)},
	}, func(ctx context.Context, in *I) (*O, error) {
		limited, cancel := context.WithTimeout(ctx, handleLimit)
		defer cancel()
		out, err := handle(limited, in)
		if err != nil {
			return nil, s.problemOf(ctx, o.id, err)
		}
		return out, nil
	})
}

// Document is the OpenAPI 3.1 document, as JSON.
func (s *Server) Document() ([]byte, error) {
	document, err := json.MarshalIndent(s.huma.OpenAPI(), "", "  ")
	if err != nil {
		return nil, fmt.Errorf("the OpenAPI document cannot be written: %w", err)
	}
	return document, nil
}

// openAnswers lets answers have members that the document does not name: a later version may add some. What is sent to
// us may have none, so that a misspelt one is not silently without effect.
func (s *Server) openAnswers() {
	for name, schema := range s.huma.OpenAPI().Components.Schemas.Map() {
		switch name {
		case "NewConnection", "NewConnectSession", "NewIntegration", "Reconnect", "Import", "ImportRecord":
		default:
			if closed, ok := schema.AdditionalProperties.(bool); ok && !closed {
				schema.AdditionalProperties = nil
			}
		}
	}
}

// serveDocument serves the document, which needs no key: it holds nothing that the README does not.
func (s *Server) serveDocument() error {
	s.openAnswers()
	asJSON, err := s.Document()
	if err != nil {
		return err
	}
	asYAML, err := s.huma.OpenAPI().YAML()
	if err != nil {
		return fmt.Errorf("the OpenAPI document cannot be written: %w", err)
	}
	for name, document := range map[string]struct {
		contentType string
		content     []byte
	}{
		"openapi.json": {"application/openapi+json", asJSON},
		"openapi.yaml": {"application/openapi+yaml", asYAML},
	} {
		s.mux.HandleFunc("GET "+Root+name, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", document.contentType)
			_, _ = w.Write(document.content)
		})
	}
	return nil
}
