package importfile

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/acme/connections/internal/secret"
)

// value is what a file has for a field. Each method says whether the value is of its kind.
type value interface {
	text() (string, bool)
	scalar() (string, bool)
	list() ([]string, bool)
	pairs() (map[string]string, bool)
}

// draft is a record that is being read.
type draft struct {
	Record
	life time.Duration
}

// field is a field of our own format, in lines and in tables.
type field struct {
	name string
	set  func(d *draft, name string, v value) error
}

// fields are all there are, in the order in which people are told of them.
func fields() []field {
	return []field{
		{"connector", text(func(d *draft) *string { return &d.Connector })},
		{"owner", text(func(d *draft) *string { return &d.Owner })},
		{"external_id", text(func(d *draft) *string { return &d.ExternalID })},
		{"access_token", token(func(d *draft) *secret.String { return &d.AccessToken })},
		{"refresh_token", token(func(d *draft) *secret.String { return &d.RefreshToken })},
		{"expires_at", moment(func(d *draft) *time.Time { return &d.ExpiresAt })},
		{"expires_in", setLife},
		{"no_expiration", setNoExpiration},
		{"issued_at", moment(func(d *draft) *time.Time { return &d.IssuedAt })},
		{"consented_at", moment(func(d *draft) *time.Time { return &d.ConsentedAt })},
		{"refresh_token_expires_at", moment(func(d *draft) *time.Time { return &d.RefreshExpiresAt })},
		{"scopes", setScopes},
		{"token_type", text(func(d *draft) *string { return &d.TokenType })},
		{"client_id", text(func(d *draft) *string { return &d.ClientID })},
		{"end_user", text(func(d *draft) *string { return &d.EndUser })},
		{"inputs", pairs(func(d *draft) *map[string]string { return &d.Inputs })},
		{"metadata", pairs(func(d *draft) *map[string]string { return &d.Metadata })},
		{"tags", pairs(func(d *draft) *map[string]string { return &d.Tags })},
	}
}

func fieldNamed(name string) (field, bool) {
	all := fields()
	i := slices.IndexFunc(all, func(f field) bool { return f.name == name })
	if i < 0 {
		return field{}, false
	}
	return all[i], true
}

func fieldNames() string {
	var names []string
	for _, f := range fields() {
		names = append(names, f.name)
	}
	return strings.Join(names, ", ")
}

func (d *draft) set(f field, name string, v value) error { return f.set(d, name, v) }

// record is what has been read, if that is enough.
func (d *draft) record() (Record, error) {
	r := &d.Record
	switch {
	case r.ExternalID == "":
		return *r, fieldFault("external_id", "external_id is missing: it is what tells the record from others when the file is imported again.")
	case r.AccessToken.Empty():
		return *r, fieldFault("access_token", "access_token is missing.")
	case d.life > 0 && !r.ExpiresAt.IsZero():
		return *r, fieldFault("expires_in", "It has expires_at and expires_in. Give one of them.")
	case d.life > 0 && r.IssuedAt.IsZero():
		return *r, fieldFault("expires_in", "expires_in counts from issued_at, which is missing. Give expires_at, or both.")
	case d.life > 0:
		r.ExpiresAt = r.IssuedAt.Add(d.life)
	}
	switch {
	case r.NoExpiration && !r.ExpiresAt.IsZero():
		return *r, fieldFault("no_expiration", "It has an expiry and no_expiration. Give one of them.")
	case !r.ExpiresAt.IsZero() && !r.IssuedAt.IsZero() && !r.IssuedAt.Before(r.ExpiresAt):
		return *r, fieldFault("issued_at", "issued_at is not before expires_at.")
	}
	return *r, nil
}

// text is a field of one printable text; an empty one is none.
func text(of func(*draft) *string) func(*draft, string, value) error {
	return func(d *draft, name string, v value) error {
		s, ok := v.text()
		if !ok {
			return fieldFault(name, "%s is not a text.", name)
		}
		if !printable(s) {
			return fieldFault(name, "%s is longer than %d bytes, or holds characters that cannot be shown.", name, maxText)
		}
		*of(d) = s
		return nil
	}
}

// maxText bounds a text that is no token.
const maxText = 2 << 10

func printable(s string) bool {
	return len(s) <= maxText && utf8.ValidString(s) &&
		!strings.ContainsFunc(s, func(x rune) bool { return x == utf8.RuneError || !unicode.IsPrint(x) })
}

// token is a field of one token: 1 or more visible characters of ASCII (RFC 6749 appendix A.12, A.17).
func token(of func(*draft) *secret.String) func(*draft, string, value) error {
	return func(d *draft, name string, v value) error {
		s, ok := v.text()
		if !ok {
			return fieldFault(name, "%s is not a text.", name)
		}
		given, err := checkedToken(name, s)
		*of(d) = given
		return err
	}
}

func checkedToken(name, s string) (secret.String, error) {
	switch {
	case len(s) > MaxToken:
		return secret.String{}, fieldFault(name, "%s is longer than %d KiB.", name, MaxToken>>10)
	case strings.ContainsFunc(s, func(x rune) bool { return x < ' ' || x > '~' }), strings.TrimSpace(s) != s:
		return secret.String{}, fieldFault(name, "%s holds characters that a token cannot have, such as line ends, or spaces at its ends.", name)
	}
	return secret.New(s), nil
}

func moment(of func(*draft) *time.Time) func(*draft, string, value) error {
	return func(d *draft, name string, v value) error {
		s, ok := v.scalar()
		if !ok {
			return fieldFault(name, "%s is not a time.", name)
		}
		at, err := parseTime(name, s)
		*of(d) = at
		return err
	}
}

// maxLife bounds expires_in: nanoseconds sent as seconds must not become "never".
const maxLife = 10 * 365 * 24 * time.Hour

func setLife(d *draft, name string, v value) error {
	s, ok := v.scalar()
	if !ok {
		return fieldFault(name, "%s is not a number of seconds.", name)
	}
	if s == "" {
		return nil
	}
	seconds, err := strconv.ParseInt(s, 10, 64)
	if err != nil || seconds <= 0 || seconds > int64(maxLife/time.Second) {
		return fieldFault(name, "%s is not a number of seconds between 1 and ten years.", name)
	}
	d.life = time.Duration(seconds) * time.Second
	return nil
}

func setNoExpiration(d *draft, name string, v value) error {
	s, ok := v.scalar()
	if !ok {
		return fieldFault(name, "%s is neither true nor false.", name)
	}
	if s == "" {
		return nil
	}
	yes, err := strconv.ParseBool(strings.ToLower(s))
	if err != nil {
		return fieldFault(name, "%s is neither true nor false.", name)
	}
	d.NoExpiration = yes
	return nil
}

// setScopes takes a list, or a text in the connector's own writing.
func setScopes(d *draft, name string, v value) error {
	list, ok := v.list()
	if !ok {
		text, isText := v.text()
		if !isText {
			return fieldFault(name, "%s is neither a list of texts nor a text.", name)
		}
		d.ScopeText = text
		list = []string{text}
	} else {
		d.Scopes = list
	}
	for _, scope := range list {
		if len(scope) > MaxToken || strings.ContainsFunc(scope, func(x rune) bool { return x < ' ' || x > '~' }) {
			return fieldFault(name, "%s holds characters that a scope cannot have.", name)
		}
	}
	return nil
}

func pairs(of func(*draft) *map[string]string) func(*draft, string, value) error {
	return func(d *draft, name string, v value) error {
		given, ok := v.pairs()
		if !ok {
			return fieldFault(name, "%s is not an object of texts.", name)
		}
		return addPairs(of(d), name, given)
	}
}

// maxPairs bounds inputs, metadata and tags.
const maxPairs = 100

func addPairs(to *map[string]string, name string, given map[string]string) error {
	for key, text := range given {
		if key == "" || !printable(key) || !printable(text) {
			return fieldFault(name, "%s holds a name or a text that is empty, longer than %d bytes, or cannot be shown.", name, maxText)
		}
		if *to == nil {
			*to = make(map[string]string, len(given))
		}
		(*to)[key] = text
	}
	if len(*to) > maxPairs {
		return fieldFault(name, "%s has more than %d entries.", name, maxPairs)
	}
	return nil
}

// Shown is an unknown name as it may be printed: in quotation marks if it looks like a name. Whoever leaves out the first
// line of a table, or lets columns slip, gives tokens as names.
func Shown(name string) string {
	const most = 30
	harmless := func(x rune) bool { return (x >= 'a' && x <= 'z') || x == '_' || x == '-' }
	if name == "" || len(name) > most || strings.ContainsFunc(name, func(x rune) bool { return !harmless(x) }) {
		return "of that name (which is not shown, since it may be a secret)"
	}
	return strconv.Quote(name)
}
