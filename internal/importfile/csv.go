package importfile

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
)

// table reads a plain table whose first line names the columns: the fields of our format, "tag.NAME", "input.NAME" and
// "metadata.NAME".
type table struct {
	csv     *csv.Reader
	lines   *newlines
	columns []column
	// done is where the last record ended: the parser's own offset moves on within one.
	done   int64
	faulty int
}

// column is where a cell goes.
type column struct {
	field field
	// name is what faults call it; key is that of a pair, or empty.
	name, key string
}

// maxFaulty bounds the broken rows in sequence after which a file is taken for something else.
const maxFaulty = 1000

func newTable(source *bufio.Reader) (func() (Record, error), error) {
	t := &table{}
	t.lines = &newlines{source: &bounded{source: source, taken: func() int64 { return t.done }}}
	t.csv = csv.NewReader(t.lines)
	t.csv.Comma = separator(source)
	t.csv.ReuseRecord = true
	names, err := t.read()
	if errors.Is(err, io.EOF) {
		return nil, &Fault{Line: 1, Sentence: "The file is empty.", Last: true}
	}
	if err != nil {
		fault := t.fault(err)
		var f *Fault
		if errors.As(fault, &f) {
			f.Last = true
		}
		return nil, fault
	}
	if t.columns, err = columnsOf(names); err != nil {
		_, err = placed(Record{}, err, 1)
		var f *Fault
		if errors.As(err, &f) {
			f.Last = true
		}
		return nil, err
	}
	return t.next, nil
}

// separator is the commonest of those in the first line: a comma, a semicolon or a tab.
func separator(source *bufio.Reader) rune {
	head, _ := source.Peek(source.Size())
	head, _, _ = bytes.Cut(head, []byte{'\n'})
	best, most := ',', 0
	for _, r := range ",;\t" {
		if n := bytes.Count(head, []byte(string(r))); n > most {
			best, most = r, n
		}
	}
	return best
}

func columnsOf(names []string) ([]column, error) {
	columns := make([]column, 0, len(names))
	seen := make(map[string]bool, len(names))
	for i, given := range names {
		name := strings.Map(func(x rune) rune {
			if x == ' ' || x == '-' {
				return '_'
			}
			return x
		}, strings.ToLower(strings.TrimSpace(given)))
		c := column{name: name}
		prefix, key, dotted := strings.Cut(strings.TrimSpace(given), ".")
		var known bool
		if dotted {
			c.name, c.key = strings.ToLower(prefix)+"."+key, key
			plural := map[string]string{"tag": "tags", "input": "inputs", "metadata": "metadata"}[strings.ToLower(prefix)]
			c.field, known = fieldNamed(plural)
			known = known && key != "" && printable(key)
		} else {
			c.field, known = fieldNamed(name)
			known = known && name != "tags" && name != "inputs" && name != "metadata"
		}
		if !known {
			return nil, fieldFault("", "The first line must name the columns, but column %d is none: there is no %s. There are %s, tag.NAME, input.NAME and metadata.NAME.",
				i+1, Shown(name), strings.TrimSuffix(fieldNames(), ", inputs, metadata, tags"))
		}
		if seen[c.name] {
			return nil, fieldFault(c.field.name, "Column %d names %s a second time.", i+1, c.field.name)
		}
		seen[c.name] = true
		columns = append(columns, c)
	}
	return columns, nil
}

func (t *table) next() (Record, error) {
	cells, err := t.read()
	if err != nil {
		return Record{}, t.fault(err)
	}
	t.faulty = 0
	line, _ := t.csv.FieldPos(0)
	record, err := t.parse(cells, line)
	return placed(record, err, line)
}

func (t *table) read() ([]string, error) {
	t.lines.lineAt(t.done)
	cells, err := t.csv.Read()
	var long *Fault
	if !errors.As(err, &long) {
		t.done = t.csv.InputOffset()
	}
	return cells, err
}

func (t *table) parse(cells []string, line int) (Record, error) {
	var d draft
	for i, cell := range cells {
		if cell == "" {
			continue
		}
		if err := isText([]byte(cell), line); err != nil {
			return Record{}, err
		}
		c := t.columns[i]
		if c.key == "" {
			if err := d.set(c.field, c.field.name, cellValue(cell)); err != nil {
				return Record{}, err
			}
			continue
		}
		if err := d.set(c.field, c.field.name, pairValue{c.key, cell}); err != nil {
			return Record{}, err
		}
	}
	return d.record()
}

// fault turns an error of the parser's into one of ours: its own names the place, but could quote what is there.
func (t *table) fault(err error) error {
	var parse *csv.ParseError
	var long *Fault
	switch {
	case errors.As(err, &long):
		long.Line = t.lines.lineAt(t.done)
		return long
	case errors.As(err, &parse) && errors.Is(err, csv.ErrFieldCount):
		return t.counted(&Fault{Line: parse.StartLine, Sentence: fmt.Sprintf("The row does not have %d columns, as the first line has.", t.csv.FieldsPerRecord)})
	case errors.As(err, &parse):
		return t.counted(&Fault{Line: parse.StartLine, Sentence: fmt.Sprintf("A quotation mark on line %d, column %d is out of place: a cell in quotation marks writes its own twice.", parse.Line, parse.Column)})
	default:
		return err
	}
}

func (t *table) counted(f *Fault) error {
	t.faulty++
	f.Last = t.faulty >= maxFaulty
	return f
}

// bounded lets no record be much longer than MaxRecord, whatever its quotation marks say. taken is how much the records
// that are read have taken.
type bounded struct {
	source io.Reader
	taken  func() int64
	given  int64
}

func (b *bounded) Read(p []byte) (int, error) {
	// Parsers read on only when what they have is no whole record.
	if b.given-b.taken() > MaxRecord {
		return 0, &Fault{Line: 1, Sentence: fmt.Sprintf("The record is longer than %d KiB: is a quotation mark or a bracket not closed? What follows cannot be read.", MaxRecord>>10), Last: true}
	}
	const most = 32 << 10
	n, err := b.source.Read(p[:min(len(p), most)])
	b.given += int64(n)
	return n, err
}

// cellValue is a cell of a table: always a text.
type cellValue string

func (v cellValue) text() (string, bool)           { return string(v), true }
func (v cellValue) scalar() (string, bool)         { return string(v), true }
func (cellValue) list() ([]string, bool)           { return nil, false }
func (cellValue) pairs() (map[string]string, bool) { return nil, false }

// pairValue is a cell of a column such as "tag.team".
type pairValue struct{ key, cell string }

func (pairValue) text() (string, bool)               { return "", false }
func (pairValue) scalar() (string, bool)             { return "", false }
func (pairValue) list() ([]string, bool)             { return nil, false }
func (v pairValue) pairs() (map[string]string, bool) { return map[string]string{v.key: v.cell}, true }
