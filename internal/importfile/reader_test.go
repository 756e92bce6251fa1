package importfile_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/importfile"
)

// all reads a file to its end.
func all(t *testing.T, format, file string) (records []importfile.Record, faults []*importfile.Fault) {
	t.Helper()
	reader, err := importfile.NewReader(strings.NewReader(file), format)
	require.NoError(t, err)
	for {
		record, err := reader.Next()
		var fault *importfile.Fault
		switch {
		case err == nil:
			records = append(records, record)
		case errors.Is(err, io.EOF):
			return records, faults
		default:
			require.ErrorAs(t, err, &fault)
			require.Positive(t, fault.Line)
			faults = append(faults, fault)
		}
	}
}

// one reads a file of one good record.
func one(t *testing.T, format, file string) importfile.Record {
	t.Helper()
	records, faults := all(t, format, file)
	require.Empty(t, faults)
	require.Len(t, records, 1)
	return records[0]
}

func at(text string) time.Time {
	when, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return when
}

func TestJSONLines(t *testing.T) {
	t.Parallel()
	got := one(t, importfile.JSONLines, "\uFEFF\r\n"+`{"connector":"shopify","owner":"acme","external_id":"7","access_token":"at","refresh_token":"rt",`+
		`"expires_at":1800000000,"issued_at":"2026-03-01 12:00:00+00","consented_at":1772366400000,"refresh_token_expires_at":"2027-01-01T00:00:00+01:00",`+
		`"scopes":["a","b"],"token_type":"bearer","client_id":"app","end_user":"u","inputs":{"shop":"s"},"metadata":{"n":1,"b":true},"tags":{"team":"x"},"no_expiration":false}`+"\r\n\n")
	require.Equal(t, 2, got.Line)
	require.Equal(t, "at", got.AccessToken.Reveal())
	require.Equal(t, "rt", got.RefreshToken.Reveal())
	require.Equal(t, time.Unix(1800000000, 0).UTC(), got.ExpiresAt)
	require.Equal(t, at("2026-03-01T12:00:00Z"), got.IssuedAt)
	require.Equal(t, at("2026-03-01T12:00:00Z"), got.ConsentedAt)
	require.Equal(t, at("2026-12-31T23:00:00Z"), got.RefreshExpiresAt)
	require.Equal(t, []string{"a", "b"}, got.Scopes)
	require.Equal(t, []string{"shopify", "acme", "7", "bearer", "app", "u"}, []string{got.Connector, got.Owner, got.ExternalID, got.TokenType, got.ClientID, got.EndUser})
	require.Equal(t, map[string]string{"shop": "s"}, got.Inputs)
	require.Equal(t, map[string]string{"n": "1", "b": "true"}, got.Metadata)
	require.Equal(t, map[string]string{"team": "x"}, got.Tags)

	got = one(t, importfile.JSONLines, `{"external_id":"7","access_token":"at","refresh_token":null,"issued_at":1772366400,"expires_in":3600,"scopes":"a b"}`)
	require.True(t, got.RefreshToken.Empty())
	require.Equal(t, at("2026-03-01T13:00:00Z"), got.ExpiresAt)
	require.Equal(t, "a b", got.ScopeText)
}

func TestTable(t *testing.T) {
	t.Parallel()
	for name, file := range map[string]string{
		"commas":     "\uFEFFConnector,Owner,External ID,access-token,refresh_token,expires_at,scopes,tag.Team,input.shop,metadata.m\r\nshopify,\"ac\"\"me\",7,at,rt,2027-01-01T00:00:00Z,\"a,b\",x,s,v\r\n",
		"semicolons": "connector;owner;external_id;access_token;refresh_token;expires_at;scopes;tag.Team;input.shop;metadata.m\nshopify;\"ac\"\"me\";7;at;rt;1798761600;a,b;x;s;v",
		"tabs":       "connector\towner\texternal_id\taccess_token\trefresh_token\texpires_at\tscopes\ttag.Team\tinput.shop\tmetadata.m\nshopify\t\"ac\"\"me\"\t7\tat\trt\t2027-01-01 00:00:00 UTC\ta,b\tx\ts\tv\n\n",
	} {
		got := one(t, importfile.CSV, file)
		require.Equal(t, 2, got.Line, name)
		require.Equal(t, []string{"shopify", `ac"me`, "7", "at", "rt", "a,b"},
			[]string{got.Connector, got.Owner, got.ExternalID, got.AccessToken.Reveal(), got.RefreshToken.Reveal(), got.ScopeText}, name)
		require.Equal(t, at("2027-01-01T00:00:00Z"), got.ExpiresAt, name)
		require.Equal(t, map[string]string{"Team": "x"}, got.Tags, name)
		require.Equal(t, map[string]string{"shop": "s"}, got.Inputs, name)
		require.Equal(t, map[string]string{"m": "v"}, got.Metadata, name)
	}
	records, faults := all(t, importfile.CSV, "external_id,access_token,tag.a\n1,at,\"two\nlines\"\n2,at\n3,a\"t,\n4,at,\n,at,\n6,,x\n")
	require.Len(t, records, 1)
	require.Equal(t, "4", records[0].ExternalID)
	require.Equal(t, 6, records[0].Line)
	var lines []int
	for _, f := range faults {
		lines = append(lines, f.Line)
	}
	require.Equal(t, []int{2, 4, 5, 7, 8}, lines)
}

// nangoConnection is shaped as the API answers for one connection.
const nangoConnection = `{"id":18393,"connection_id":"c-7","provider_config_key":"salesforce-prod","provider":"salesforce",
	"errors":[],"end_user":{"id":"u-1","email":"u@example.com","tags":{},"organization":{"id":"acme","display_name":"Acme"}},
	"tags":{"team":"x"},"metadata":{"anything":{"nested":[1]}},
	"connection_config":{"instance_url":"https://x.my.salesforce.com","port":443,"oauth_client_secret_override":"no","oauth_client_id_override":"own","nested":{}},
	"created_at":"2026-03-01T12:00:00.000Z","updated_at":"2026-03-01T12:00:00.000Z","last_fetched_at":null,
	"credentials":{"type":"OAUTH2","access_token":"at","refresh_token":"rt","expires_at":"2027-01-01T00:00:00.000Z",
		"raw":{"access_token":"at","refresh_token":"rt","scope":"a b","token_type":"Bearer"}}}`

func TestNango(t *testing.T) {
	t.Parallel()
	compact := strings.ReplaceAll(strings.ReplaceAll(nangoConnection, "\n", ""), "\t", "")
	for name, file := range map[string]string{
		"a line":            compact + "\n",
		"over several":      nangoConnection,
		"an array":          "[\n" + nangoConnection + "\n]\n",
		"an object with it": `{ "connections" : [` + nangoConnection + `], "next": null}`,
	} {
		got := one(t, importfile.Nango, file)
		require.Equal(t, "c-7", got.ExternalID, name)
		require.Equal(t, "salesforce-prod", got.Namespace, name)
		require.Equal(t, importfile.Guess{Connectors: []string{"salesforce-prod", "salesforce"}, Owner: "acme"}, got.Guess, name)
		require.Equal(t, []string{"at", "rt", "u-1", "own"}, []string{got.AccessToken.Reveal(), got.RefreshToken.Reveal(), got.EndUser, got.ClientID}, name)
		require.Equal(t, at("2027-01-01T00:00:00Z"), got.ExpiresAt, name)
		require.Equal(t, map[string]string{"instance_url": "https://x.my.salesforce.com", "port": "443"}, got.Config, name)
		require.Equal(t, map[string]string{"team": "x"}, got.Tags, name)
		require.Contains(t, string(got.Reply), `"scope":"a b"`, name)
		require.NotContains(t, fmt.Sprintf("%v %+v %#v %s", got, got, got, got.Reply), `"scope"`, name)
	}
	records, faults := all(t, importfile.Nango, "["+nangoConnection+",\n"+nangoConnection+"]")
	require.Empty(t, faults)
	require.Equal(t, []int{1, 8}, []int{records[0].Line, records[1].Line})

	got := one(t, importfile.Nango, `{"connection_id":"1","provider_config_key":"k","credentials":{"access_token":"at","expires_at":null},"tags":{"end_user_id":"u","organization_id":"o"}}`)
	require.Equal(t, "u", got.EndUser)
	require.Equal(t, "o", got.Guess.Owner)
	require.True(t, got.ExpiresAt.IsZero())

	// A line that is broken costs no other; in an array what follows is lost, and that is said.
	records, faults = all(t, importfile.Nango, compact+"\n{\n"+compact+"\n")
	require.Len(t, records, 2)
	require.Len(t, faults, 1)
	require.Equal(t, 2, faults[0].Line)
	records, faults = all(t, importfile.Nango, "["+compact+",\n{\"connection_id\"\n, 1]")
	require.Len(t, records, 1)
	require.Len(t, faults, 1)
	require.True(t, faults[0].Last)
	_, faults = all(t, importfile.Nango, "["+compact)
	require.Len(t, faults, 1)
	require.Contains(t, faults[0].Sentence, "ends in the middle")
}

// Whatever is wrong is told with its line and field, and no value is quoted.
func TestFaults(t *testing.T) {
	t.Parallel()
	const canary = "gho_Canary0123456789abcdef"
	const good = `{"external_id":"good","access_token":"at"}`
	for name, test := range map[string]struct{ format, file, field, says string }{
		"not json":            {importfile.JSONLines, `{"access_token":"` + canary, "", "not a JSON object"},
		"a list":              {importfile.JSONLines, `["` + canary + `"]`, "", "not a JSON object"},
		"null":                {importfile.JSONLines, `null`, "", "not a JSON object"},
		"two objects":         {importfile.JSONLines, good + good, "", "not a JSON object"},
		"unknown":             {importfile.JSONLines, `{"refreshtoken":"x"}`, "", `no field "refreshtoken"`},
		"wrong case":          {importfile.JSONLines, `{"Access_Token":"x"}`, "", "not shown"},
		"a secret as name":    {importfile.JSONLines, `{"` + canary + `":"x"}`, "", "not shown"},
		"no id":               {importfile.JSONLines, `{"access_token":"` + canary + `"}`, "external_id", "external_id is missing"},
		"no token":            {importfile.JSONLines, `{"external_id":"1"}`, "access_token", "access_token is missing"},
		"token a number":      {importfile.JSONLines, `{"external_id":"1","access_token":1}`, "access_token", "not a text"},
		"token with line end": {importfile.JSONLines, `{"external_id":"1","access_token":"` + canary + `\n"}`, "access_token", "cannot have"},
		"token with a space":  {importfile.JSONLines, `{"external_id":"1","access_token":" ` + canary + `"}`, "access_token", "cannot have"},
		"lone surrogate":      {importfile.JSONLines, `{"external_id":"1","access_token":"` + canary + `\ud800"}`, "access_token", "cannot have"},
		"long token":          {importfile.JSONLines, `{"external_id":"1","access_token":"` + strings.Repeat("a", importfile.MaxToken+1) + `"}`, "access_token", "longer than"},
		"escaped nul":         {importfile.JSONLines, `{"external_id":"1\u0000","access_token":"at"}`, "external_id", "cannot be shown"},
		"nul":                 {importfile.JSONLines, "{\"external_id\":\"1\x00\"}", "", "NUL"},
		"not utf-8":           {importfile.JSONLines, "{\"access_token\":\"" + canary + "\xff\"}", "", "UTF-8"},
		"utf-16":              {importfile.JSONLines, "\xff\xfe{\x00}\x00", "", "UTF-8"},
		"long line":           {importfile.JSONLines, `{"access_token":"` + canary + strings.Repeat(" ", importfile.MaxRecord), "", "longer than"},
		"time without a zone": {importfile.JSONLines, `{"external_id":"1","access_token":"at","expires_at":"2027-01-01T00:00:00"}`, "expires_at", "time zone"},
		"negative time":       {importfile.JSONLines, `{"external_id":"1","access_token":"at","expires_at":-1}`, "expires_at", "not a time"},
		"time in nanoseconds": {importfile.JSONLines, `{"external_id":"1","access_token":"at","expires_at":1800000000000000000}`, "expires_at", "not a time"},
		"a secret as time":    {importfile.JSONLines, `{"external_id":"1","access_token":"at","expires_at":"` + canary + `"}`, "expires_at", "not a time"},
		"backwards":           {importfile.JSONLines, `{"external_id":"1","access_token":"at","expires_at":1000,"issued_at":2000}`, "issued_at", "not before"},
		"life from nowhere":   {importfile.JSONLines, `{"external_id":"1","access_token":"at","expires_in":3600}`, "expires_in", "issued_at"},
		"life of eternity":    {importfile.JSONLines, `{"external_id":"1","access_token":"at","issued_at":1000,"expires_in":99999999999999}`, "expires_in", "seconds"},
		"two ends":            {importfile.JSONLines, `{"external_id":"1","access_token":"at","expires_at":1000,"no_expiration":true}`, "no_expiration", "one of them"},
		"scopes of numbers":   {importfile.JSONLines, `{"external_id":"1","access_token":"at","scopes":[1]}`, "scopes", "list of texts"},
		"tags of lists":       {importfile.JSONLines, `{"external_id":"1","access_token":"at","tags":{"a":["` + canary + `"]}}`, "tags", "object of texts"},
		"deep":                {importfile.JSONLines, `{"tags":` + strings.Repeat(`{"a":`, 20000) + "1" + strings.Repeat("}", 20001), "", "not a JSON object"},

		"no header":       {importfile.CSV, "hubspot,acme,7," + canary + ",rt\n", "", `no "hubspot"`},
		"empty table":     {importfile.CSV, "", "", "empty"},
		"column twice":    {importfile.CSV, "external_id,External-ID\n", "external_id", "second time"},
		"odd column":      {importfile.CSV, "external_id," + canary + "\n", "", "column 2"},
		"open quote":      {importfile.CSV, "external_id,access_token\n1,\"" + canary + "\n" + strings.Repeat("2,x\n", importfile.MaxRecord), "", "quotation mark"},
		"nul in a cell":   {importfile.CSV, "external_id,access_token\n1," + canary + "\x00\n", "", "NUL"},
		"bytes in a cell": {importfile.CSV, "external_id,access_token\n1," + canary + "\xff\n", "", "UTF-8"},

		"no connection":     {importfile.Nango, `{"provider_config_key":"k","credentials":{}}`, "connection_id", "missing"},
		"no key":            {importfile.Nango, `{"connection_id":"1","credentials":{}}`, "provider_config_key", "missing"},
		"an answer to list": {importfile.Nango, `{"connection_id":"1","provider_config_key":"k"}`, "credentials", "list of connections has none"},
		"api key":           {importfile.Nango, `{"connection_id":"1","provider_config_key":"k","credentials":{"type":"API_KEY","apiKey":"` + canary + `"}}`, "credentials.type", "OAUTH2"},
		"nango token":       {importfile.Nango, `{"connection_id":"1","provider_config_key":"k","credentials":{"access_token":["` + canary + `"]}}`, "credentials.access_token", "not a text"},
		"credentials text":  {importfile.Nango, `{"connection_id":"1","provider_config_key":"k","credentials":"` + canary + `"}`, "", "another type"},
		"a huge element":    {importfile.Nango, `[{"connection_id":"` + strings.Repeat("a", 4*importfile.MaxRecord), "", "longer than"},
	} {
		_, faults := all(t, test.format, test.file)
		require.NotEmpty(t, faults, name)
		f := faults[0]
		require.Equal(t, test.field, f.Field, name)
		require.Contains(t, f.Error(), test.says, name)
		for _, fault := range faults {
			require.NotContains(t, strings.ToLower(fault.Error()), strings.ToLower(canary[4:]), name)
			require.Less(t, len(fault.Error()), 600, name)
		}
		if test.format == importfile.JSONLines {
			records, _ := all(t, test.format, test.file+"\n"+good+"\n")
			require.Len(t, records, 1, "%s: the next line is read", name)
			require.Equal(t, "good", records[0].ExternalID, name)
		}
	}
}

func TestReaderFails(t *testing.T) {
	t.Parallel()
	_, err := importfile.NewReader(strings.NewReader(""), "xml")
	require.ErrorContains(t, err, "jsonl, nango, csv")
	for _, format := range importfile.Formats() {
		broken := errors.New("the disk is gone")
		reader, err := importfile.NewReader(iotest.ErrReader(broken), format)
		require.NoError(t, err)
		for range 2 {
			_, err = reader.Next()
			require.ErrorIs(t, err, broken, format)
		}
	}
	reader, err := importfile.NewReader(iotest.OneByteReader(strings.NewReader(`{"external_id":"1","access_token":"at"}`)), importfile.JSONLines)
	require.NoError(t, err)
	_, err = reader.Next()
	require.NoError(t, err)
	require.EqualValues(t, 39, reader.Read())
	for range 2 {
		_, err = reader.Next()
		require.ErrorIs(t, err, io.EOF)
	}
}
