package importfile

import (
	"encoding/json"
	"errors"
)

// jsonLines reads one object a line.
type jsonLines struct {
	lines *lines
	parse func(object []byte) (Record, error)
}

func (j *jsonLines) next() (Record, error) {
	text, err := j.lines.next()
	if err != nil {
		return Record{}, err
	}
	record, err := j.parse(text)
	return placed(record, err, j.lines.line)
}

// placed fills in the line.
func placed(record Record, err error, line int) (Record, error) {
	var fault *Fault
	if errors.As(err, &fault) {
		fault.Line = line
		return Record{}, fault
	}
	record.Line = line
	return record, err
}

// members splits a JSON object, whose names are exact; encoding/json's own structs would not mind their case.
func members(object []byte) (map[string]json.RawMessage, error) {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(object, &all); err != nil || all == nil {
		return nil, fieldFault("", "It is not a JSON object.")
	}
	return all, nil
}

// parseObject reads our own format: the names of [fields], and no others, so that a misspelt one does not cost a refresh
// token.
func parseObject(object []byte) (Record, error) {
	all, err := members(object)
	if err != nil {
		return Record{}, err
	}
	var draft draft
	for name, content := range all {
		if string(content) == "null" {
			continue
		}
		f, ok := fieldNamed(name)
		if !ok {
			return Record{}, fieldFault("", "There is no field %s. The fields are %s.", Shown(name), fieldNames())
		}
		if err := draft.set(f, name, jsonValue(content)); err != nil {
			return Record{}, err
		}
	}
	return draft.record()
}

// jsonValue is a member of an object.
type jsonValue json.RawMessage

func (v jsonValue) text() (string, bool) {
	var text string
	return text, json.Unmarshal(v, &text) == nil
}

// scalar is a text, a number as it is written, or a truth value.
func (v jsonValue) scalar() (string, bool) {
	if text, ok := v.text(); ok {
		return text, true
	}
	switch v[0] {
	case '{', '[', 'n':
		return "", false
	default:
		return string(v), true
	}
}

func (v jsonValue) list() ([]string, bool) {
	var list []*string
	if json.Unmarshal(v, &list) != nil {
		return nil, false
	}
	texts := make([]string, 0, len(list))
	for _, item := range list {
		if item == nil {
			return nil, false
		}
		texts = append(texts, *item)
	}
	return texts, true
}

func (v jsonValue) pairs() (map[string]string, bool) {
	var all map[string]json.RawMessage
	if json.Unmarshal(v, &all) != nil {
		return nil, false
	}
	pairs := make(map[string]string, len(all))
	for name, content := range all {
		text, ok := jsonValue(content).scalar()
		if !ok {
			return nil, false
		}
		pairs[name] = text
	}
	return pairs, true
}
