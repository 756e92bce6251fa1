package api_test

import (
	"net/http"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDumpDocument(t *testing.T) {
	r := newRig(t)
	a := r.ask("", "GET", "/v1/openapi.json", nil)
	require.Equal(t, http.StatusOK, a.status)
	require.NoError(t, os.WriteFile("/tmp/gen/openapi.json", []byte(a.body), 0o600))
}
