package importfile

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
)

// The formats.
const (
	JSONLines = "jsonl"
	Nango     = "nango"
	CSV       = "csv"
)

// Formats lists the formats.
func Formats() []string { return []string{JSONLines, Nango, CSV} }

// MaxRecord bounds one record in bytes: a line of JSON, an element of an array, a row of a table.
const MaxRecord = 256 << 10

// MaxToken bounds each token in bytes.
const MaxToken = 32 << 10

// byteOrderMark is what some editors put in front of UTF-8.
const byteOrderMark = "\uFEFF"

// Reader reads the records of one file.
type Reader struct {
	read    *atomic.Int64
	next    func() (Record, error)
	over    error
	started func() error
}

// NewReader makes a reader of a format; a format that is not known is an error. Nothing is read yet.
func NewReader(source io.Reader, format string) (*Reader, error) {
	r := &Reader{read: &atomic.Int64{}}
	if !slices.Contains(Formats(), format) {
		return nil, fmt.Errorf("the format %.20q is not known: use %s", format, strings.Join(Formats(), ", "))
	}
	buffered := bufio.NewReaderSize(&counter{source: source, read: r.read}, 64<<10)
	r.started = func() error {
		if head, err := buffered.Peek(len(byteOrderMark)); err == nil && string(head) == byteOrderMark {
			_, _ = buffered.Discard(len(byteOrderMark))
		}
		var err error
		switch format {
		case JSONLines:
			r.next = (&jsonLines{lines: newLines(buffered), parse: parseObject}).next
		case Nango:
			r.next = newNango(buffered)
		default:
			r.next, err = newTable(buffered)
		}
		return err
	}
	return r, nil
}

// Next returns the next record. The error is a [*Fault], after which reading goes on unless the fault is the last, or
// io.EOF, or that of the source.
func (r *Reader) Next() (Record, error) {
	if r.over != nil {
		return Record{}, r.over
	}
	if r.started != nil {
		start := r.started
		r.started = nil
		if err := start(); err != nil {
			return Record{}, r.end(err)
		}
	}
	record, err := r.next()
	var fault *Fault
	if err != nil && (!errors.As(err, &fault) || fault.Last) {
		return Record{}, r.end(err)
	}
	return record, err
}

// end remembers that there is no more.
func (r *Reader) end(err error) error {
	r.over = io.EOF
	if !errors.Is(err, io.EOF) {
		var fault *Fault
		if !errors.As(err, &fault) {
			r.over = err
		}
	}
	return err
}

// Read is how many bytes of the source have been read so far; it may be called at any time.
func (r *Reader) Read() int64 { return r.read.Load() }

// counter counts what is read.
type counter struct {
	source io.Reader
	read   *atomic.Int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.source.Read(p)
	c.read.Add(int64(n))
	return n, err
}
