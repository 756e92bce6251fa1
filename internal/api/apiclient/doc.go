// Package apiclient is a client of the REST API, generated from its OpenAPI document by oapi-codegen. Tests drive the
// API with it; nothing else uses it.
package apiclient

//go:generate go tool -modfile=generator/go.mod oapi-codegen -config config.yaml -o client.gen.go ../openapi.json
