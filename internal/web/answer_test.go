package web

import (
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

func TestParseAnswer(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("A", maxValue+1)
	for raw, want := range map[string]struct {
		answer
		ok bool
	}{
		"":                               {answer{}, false},
		"code=c":                         {answer{code: "c"}, false},
		"state=s":                        {answer{state: "s"}, false},
		"state=s&code=c":                 {answer{state: "s", code: "c"}, true},
		"code=c&state=s&iss=i":           {answer{state: "s", code: "c", issuer: "i", hasIssuer: true}, true},
		"state=s&code=c&iss=":            {answer{state: "s", code: "c", hasIssuer: true}, true},
		"state=s&error=e":                {answer{state: "s", failure: "e"}, true},
		"state=s&error=":                 {answer{state: "s"}, false},
		"state=s&error=e&code=c":         {answer{state: "s", failure: "e", code: "c"}, false},
		"state=s&error=e&code=":          {answer{state: "s", failure: "e"}, true},
		"state=s%20%2B+&code=%2Fc":       {answer{state: "s + ", code: "/c"}, true},
		"%73tate=s&cod%65=c":             {answer{state: "s", code: "c"}, true},
		"state=s&code=c&other=1&other=2": {answer{state: "s", code: "c"}, true},
		"STATE=x&state=s&Code=x&code=c":  {answer{state: "s", code: "c"}, true},
		"state=s&code=a=b":               {answer{state: "s", code: "a=b"}, true},
		// Carelessness of a provider's beside the point.
		"state=s&error=e&error_description=100%;":   {answer{state: "s", failure: "e"}, true},
		"state=s&error=e&error_description=a;b&%zz": {answer{state: "s", failure: "e"}, true},
		"&&state=s&&code=c&":                        {answer{state: "s", code: "c"}, true},
		// Repeated, under whatever spelling.
		"state=s&state=s&code=c":      {answer{}, false},
		"state=s&code=c&code=c":       {answer{}, false},
		"state=s&code=c&code":         {answer{}, false},
		"state=s&code=c&c%6Fde=d":     {answer{}, false},
		"state=s&code=c&iss=i&iss=i":  {answer{}, false},
		"state=s&error=e&error=e":     {answer{}, false},
		"state=s&code=%zz":            {answer{}, false},
		"state=s;code=c":              {answer{state: "s;code=c"}, false},
		"state=s&code=" + long:        {answer{}, false},
		"state=" + long + "&code=c":   {answer{}, false},
		"state=s&code=c&iss=" + long:  {answer{}, false},
		"state=s&error=" + long:       {answer{}, false},
		"state=s&x=" + long + long:    {answer{}, false},
		"state=s&code=c&x=" + long:    {answer{state: "s", code: "c"}, true},
		"state=s&code=" + long[1:]:    {answer{state: "s", code: long[1:]}, true},
		"state=%00&code=%ff":          {answer{state: "\x00", code: "\xff"}, true},
		"state=s&code=c#&code=d":      {answer{}, false},
		"state[]=s&code[]=c&state[1]": {answer{}, false},
	} {
		got, ok := parseAnswer(raw, standardNames())
		require.Equal(t, want.answer, got, "%.80s", raw)
		require.Equal(t, want.ok, ok, "%.80s", raw)
	}
}

func FuzzParseAnswer(f *testing.F) {
	for _, seed := range []string{
		"", "state=s&code=c&iss=https://issuer.example", "state=s&error=access_denied&error_description=no", "state=s&state=t&code=c",
		"state=s&code=c&code=d", "state=s&code=c&error=e", "%73tate=s&cod%65=c", "state=s;code=c", "state=%zz&code=%", "&=&==&", "code",
		"state=s&code=c&iss", "state=\x00&code=\xff",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		a, ok := parseAnswer(raw, standardNames())
		// What the standard library makes of it, as far as it can read it.
		values, err := url.ParseQuery(raw)
		for name, value := range map[string]string{"state": a.state, "code": a.code, "error": a.failure, "iss": a.issuer} {
			if len(values[name]) > 1 && !reflect.DeepEqual(a, answer{}) {
				t.Fatalf("%q repeats and was taken: %+v", name, a)
			}
			if len(value) > maxValue || (value != "" && value != values.Get(name) && err == nil) {
				t.Fatalf("%q is %.80q, not %.80q", name, value, values.Get(name))
			}
		}
		if ok && (a.state == "" || (a.code == "") == (a.failure == "")) {
			t.Fatalf("accepted without sense: %+v", a)
		}
	})
}

// FuzzTold: whatever an answer says, only values that fit an input's pattern replace it.
func FuzzTold(f *testing.F) {
	for _, seed := range []string{
		"", "accounts-server=https://accounts.shops.eu", "accounts-server=https://accounts.shops.evil.com", "shop=my-store.shops.test",
		"shop=other.shops.test&realm=7", "accounts-server=https%3A%2F%2Faccounts.shops.eu%0A", "realm=%00&shop=", "accounts-server=..",
	} {
		f.Add(seed)
	}
	c := connector.Connector{
		Inputs: []connector.Input{{Name: "region", Pattern: "^(com|eu)$"}, {Name: "shop", Pattern: "^[a-z-]+$"}},
		Callback: &connector.Callback{Capture: []connector.CallbackValue{
			{Param: "accounts-server", Pattern: `^https://accounts\.shops\.(.+)$`, Input: "region"},
			{Param: "shop", Pattern: `^([a-z-]+)\.shops\.test$`, Input: "shop", Match: true},
			{Param: "realm", Pattern: "^[0-9]+$"},
		}},
	}
	q := asked{connector: c, connection: vault.Connection{Inputs: map[string]string{"shop": "my-store", "region": "com"}}}
	f.Fuzz(func(t *testing.T, raw string) {
		a, _ := parseAnswer(raw, namesOf(c))
		var told vault.Consumption
		if reason := (&Server{}).told(t.Context(), q, a, raw, &told); reason != workflows.ReasonNone {
			return
		}
		for name, value := range told.Inputs {
			if (name == "region" && value != "com" && value != "eu") || (name == "shop" && value != "my-store") {
				t.Fatalf("%q became %q", name, value)
			}
		}
		for _, digit := range told.Captured["realm"] {
			if digit < '0' || digit > '9' {
				t.Fatalf("realm became %q", told.Captured["realm"])
			}
		}
	})
}
