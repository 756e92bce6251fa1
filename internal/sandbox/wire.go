package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// duration is a time.Duration that is text in JSON, in Go's notation: "1.5s", "-2m", "2160h".
type duration time.Duration

// MarshalJSON implements json.Marshaler.
func (d duration) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(d).String()) }

// UnmarshalJSON implements json.Unmarshaler.
func (d *duration) UnmarshalJSON(raw []byte) error {
	var text string
	err := json.Unmarshal(raw, &text)
	if err == nil {
		var parsed time.Duration
		if parsed, err = time.ParseDuration(text); err == nil {
			*d = duration(parsed)
			return nil
		}
	}
	return fmt.Errorf("%s is not a duration: write it like \"1.5s\" or \"24h\"", raw)
}

// unmarshalStrictly refuses members that v does not have: a misspelt knob would be a test of nothing.
func unmarshalStrictly(text []byte, v any) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(v)
	if err == nil {
		return nil
	}
	var misfit *json.UnmarshalTypeError
	if errors.As(err, &misfit) && misfit.Field != "" {
		return fmt.Errorf("%s cannot be a %s", misfit.Field[strings.LastIndex(misfit.Field, ".")+1:], misfit.Value)
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return fmt.Errorf("there is no knob %s", name)
	}
	return err
}
