package importfile_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/importfile"
)

// FuzzImport: whatever a file holds, reading ends, each record is within its bounds, and no fault quotes a token.
func FuzzImport(f *testing.F) {
	const canary = "CaNaRy0123456789"
	object := `{"connector":"x","owner":"o","external_id":"7","access_token":"` + canary + `","refresh_token":"` + canary + `","expires_at":1800000000,"scopes":["a"],"tags":{"a":"b"}}`
	for _, seed := range []string{
		object, object + "\r\n" + object, "\uFEFF" + object, "{", "[", "null", "\x00", "\xff", object + "\n{\"" + canary + "\":1}",
		"external_id,access_token,expires_at,tag.a\n7," + canary + ",1800000000,b\n", "external_id;access_token\n\"7\n", canary + "," + canary,
		"external_id,access_token\n7," + canary + ",x\n\"" + canary, "\uFEFFexternal_id\taccess_token\r\n7\t" + canary + "\r\n",
		nangoConnection, "[" + nangoConnection + "," + nangoConnection + "]", `{"connections":[` + nangoConnection + "]}", "[1,{},[]]", "{}{}", `{"connections":[`,
	} {
		for format := range importfile.Formats() {
			f.Add(uint8(format), []byte(seed))
		}
	}
	f.Fuzz(func(t *testing.T, format uint8, file []byte) {
		formats := importfile.Formats()
		reader, err := importfile.NewReader(strings.NewReader(string(file)), formats[int(format)%len(formats)])
		require.NoError(t, err)
		last := 0
		for n := 0; ; n++ {
			require.LessOrEqual(t, n, len(file)+1, "reading ends")
			record, err := reader.Next()
			var fault *importfile.Fault
			switch {
			case errors.Is(err, io.EOF):
				return
			case errors.As(err, &fault):
				require.Positive(t, fault.Line)
				require.NotEmpty(t, fault.Sentence)
				require.Less(t, len(fault.Error()), 1000)
				require.NotContains(t, fault.Error(), canary)
				continue
			}
			require.NoError(t, err)
			require.Greater(t, record.Line, 0)
			require.GreaterOrEqual(t, record.Line, last)
			last = record.Line
			require.NotEmpty(t, record.ExternalID)
			require.False(t, record.AccessToken.Empty())
			require.LessOrEqual(t, len(record.AccessToken.Reveal()), importfile.MaxToken)
			for _, text := range []string{record.Connector, record.Owner, record.ExternalID, record.EndUser, record.ClientID, record.TokenType} {
				require.True(t, utf8.ValidString(text))
				require.NotContains(t, text, "\x00")
			}
		}
	})
}
