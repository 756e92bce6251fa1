package web

import (
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
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

func TestParseAnswer_OtherNames(t *testing.T) {
	t.Parallel()
	n := names{state: "back", code: "auth_code", extra: []string{"shop", "granted"}}
	for raw, want := range map[string]struct {
		answer
		ok bool
	}{
		"back=s&auth_code=c":                       {answer{state: "s", code: "c"}, true},
		"back=s&auth_code=c&shop=x&granted=a%20b":  {answer{state: "s", code: "c", extra: map[string]string{"shop": "x", "granted": "a b"}}, true},
		"back=s&auth_code=c&shop=":                 {answer{state: "s", code: "c"}, true},
		"back=s&auth_code=c&other=x&other=y":       {answer{state: "s", code: "c"}, true},
		"back=s&auth_code=c&state=t&state=u&code=": {answer{state: "s", code: "c"}, true},
		"back=s&error=e&iss=i":                     {answer{state: "s", failure: "e", issuer: "i", hasIssuer: true}, true},
		// Their standard names count for nothing.
		"state=s&code=c":                 {answer{}, false},
		"back=s&code=c":                  {answer{state: "s"}, false},
		"state=s&auth_code=c":            {answer{code: "c"}, false},
		"back=s&auth_code=c&back=t":      {answer{}, false},
		"back=s&auth_code=c&shop&shop":   {answer{}, false},
		"back=s&auth_code=c&shop&sh%6fp": {answer{}, false},
		"back=s&auth_code=c&granted=%zz": {answer{}, false},
		"back=s&auth_code=c&granted=" + strings.Repeat("a", maxValue+1): {answer{}, false},
	} {
		got, ok := parseAnswer(raw, n)
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
	f.Add("auth_code=c&back=s&shop=x&granted=a,b&code=d&state=t")
	f.Add("auth_code=c&back=s&shop=x&sh%6fp=y")
	foreign := names{state: "back", code: "auth_code", extra: []string{"shop", "granted"}}
	f.Fuzz(func(t *testing.T, raw string) {
		for _, n := range []names{standardNames(), foreign} {
			checkAnswer(t, raw, n)
		}
	})
}

// checkAnswer compares an answer with what the standard library makes of the query, as far as it can read it.
func checkAnswer(t *testing.T, raw string, n names) {
	t.Helper()
	a, ok := parseAnswer(raw, n)
	values, err := url.ParseQuery(raw)
	read := map[string]string{n.state: a.state, n.code: a.code, "error": a.failure, "iss": a.issuer}
	for name := range a.extra {
		if !slices.Contains(n.extra, name) {
			t.Fatalf("%q was taken, and nobody asked for it", name)
		}
	}
	for _, name := range n.extra {
		read[name] = a.extra[name]
	}
	for name, value := range read {
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
}
