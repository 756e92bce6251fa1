package connector

import (
	"regexp"
	"regexp/syntax"
	"sync"
)

// patterns are those compiled so far: each call at a provider checks the same few again, and compiling is the dearest
// part of reading the catalogue.
var patterns = compiled{known: make(map[string]*regexp.Regexp)}

type compiled struct {
	mu    sync.Mutex
	known map[string]*regexp.Regexp
}

// maxPatterns bounds what operators' connectors can leave behind.
const maxPatterns = 1024

// whole compiles a pattern so that it must match all of a value.
func whole(pattern string) (*regexp.Regexp, error) {
	patterns.mu.Lock()
	defer patterns.mu.Unlock()
	if known, ok := patterns.known[pattern]; ok {
		return known, nil
	}
	// By itself first: "a)|(b" would step out of the group.
	if _, err := syntax.Parse(pattern, syntax.Perl); err != nil {
		return nil, err
	}
	expression, err := regexp.Compile(`\A(?:` + pattern + `)\z`)
	if err != nil {
		return nil, err
	}
	if len(patterns.known) >= maxPatterns {
		clear(patterns.known)
	}
	patterns.known[pattern] = expression
	return expression, nil
}
