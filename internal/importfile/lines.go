package importfile

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// lines reads a file line by line, and keeps no more than one bounded line in memory.
type lines struct {
	source *bufio.Reader
	line   int
	text   []byte
}

func newLines(source *bufio.Reader) *lines { return &lines{source: source} }

// next returns the next line that is not blank, without its end. It is valid until the next call. A line that is too
// long, or is not text, is a [*Fault].
func (l *lines) next() ([]byte, error) {
	for {
		text, long, err := l.read()
		if err != nil {
			return nil, err
		}
		switch text = bytes.TrimSpace(text); {
		case long:
			return nil, &Fault{Line: l.line, Sentence: fmt.Sprintf("The line is longer than %d KiB.", MaxRecord>>10)}
		case len(text) == 0:
			continue
		}
		if err := isText(text, l.line); err != nil {
			return nil, err
		}
		return text, nil
	}
}

// read reads one line; what is beyond the bound is passed over.
func (l *lines) read() (text []byte, long bool, err error) {
	l.line++
	l.text = l.text[:0]
	for {
		part, err := l.source.ReadSlice('\n')
		if len(l.text)+len(part) > MaxRecord {
			long = true
			l.text = l.text[:0]
		} else if !long {
			l.text = append(l.text, part...)
		}
		switch {
		case err == nil:
			return l.text, long, nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF):
			if len(l.text) == 0 && !long {
				return nil, false, io.EOF
			}
			return l.text, long, nil
		default:
			return nil, false, err
		}
	}
}

// isText checks that a record is UTF-8 without NUL: a parser would put other characters in the place of what is not.
func isText(text []byte, line int) error {
	switch {
	case !utf8.Valid(text):
		return &Fault{Line: line, Sentence: "It is not UTF-8. Save the file as UTF-8."}
	case bytes.IndexByte(text, 0) >= 0:
		return &Fault{Line: line, Sentence: "It holds a NUL character."}
	}
	return nil
}
