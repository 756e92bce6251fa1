package vaulttest

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/acme/connections/internal/vault"
)

// document reads a connector that must be there.
func (f *fixture) document(id string) []byte {
	f.t.Helper()
	document, ok, err := f.ConnectorDocument(f.ctx, id)
	f.NoError(err)
	f.True(ok, id)
	return document
}

func testConnectors(f *fixture) {
	none, err := f.ConnectorDocuments(f.ctx)
	f.NoError(err)
	f.Nil(none)

	f.NoError(f.PutConnector(f.ctx, "b", []byte(`{"id": "b"}`)))
	f.NoError(f.PutConnector(f.ctx, "a", []byte(`{}`)))
	f.Equal([]byte(`{"id": "b"}`), f.document("b"), "byte for byte")
	f.NoError(f.PutConnector(f.ctx, "b", []byte(`{"id":"b","name":"second"}`)))
	f.Equal([]byte(`{"id":"b","name":"second"}`), f.document("b"))
	all, err := f.ConnectorDocuments(f.ctx)
	f.NoError(err)
	f.Equal(map[string][]byte{"a": []byte(`{}`), "b": []byte(`{"id":"b","name":"second"}`)}, all)

	f.NoError(f.DeleteConnector(f.ctx, "b"))
	f.ErrorIs(f.DeleteConnector(f.ctx, "b"), vault.ErrNotFound)
	_, ok, err := f.ConnectorDocument(f.ctx, "b")
	f.NoError(err)
	f.False(ok)
	f.NoError(f.PutConnector(f.ctx, "b", []byte(`[]`)), "a deleted one may come again")
	f.Equal([]byte(`[]`), f.document("b"))
}

func testConnectorOddValues(f *fixture) {
	const odd = "ünï😀 \"'; DROP TABLE connectors; -- \n\t\\ $1 ? %s {}"
	for name, document := range map[string][]byte{
		"200 KiB":         bytes.Repeat([]byte("0123456789abcde\n"), 200<<10/16),
		"200 KiB of NULs": make([]byte, 200<<10),
		"not JSON":        []byte("{\x00\xff\xed\xa0\x80"),
		"spaces":          []byte(" {\"a\": 1.0, \"a\": 2}\n"),
		odd:               []byte(odd),
		"":                []byte("no id"),
	} {
		f.NoError(f.PutConnector(f.ctx, name, document), name)
		f.Equal(document, f.document(name), name)
		f.NoError(f.PutConnector(f.ctx, name, document[:1]), name)
		f.Equal(document[:1], f.document(name), name)
	}
	for i, empty := range [][]byte{nil, {}} {
		f.NoError(f.PutConnector(f.ctx, fmt.Sprint("empty", i), empty))
		f.Nil(f.document(fmt.Sprint("empty", i)))
	}
	for _, strange := range []string{"none", "a\x00b", "\xff\xfe", strings.Repeat("x", 1<<20)} {
		document, ok, err := f.ConnectorDocument(f.ctx, strange)
		f.NoError(err)
		f.False(ok)
		f.Nil(document)
		f.ErrorIs(f.DeleteConnector(f.ctx, strange), vault.ErrNotFound)
	}
	f.Equal([]byte("n"), f.document(""))
}
