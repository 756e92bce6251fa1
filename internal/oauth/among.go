package oauth

import (
	"strconv"
	"strings"

	"github.com/acme/connections/internal/connector"
)

// among makes captures that point into a list point to the account that is known already, if the list still has it:
// which of a person's tenants comes first may change, and the connection is to stay with its own.
func among(reply any, conn connector.Connector, captures []connector.Capture, known map[string]string) []connector.Capture {
	account := known[conn.Identity()]
	for _, capture := range captures {
		list, first, rest, ok := capture.Element()
		if capture.Name() != conn.Identity() || !ok || account == "" {
			continue
		}
		elements, _ := find(reply, list).([]any)
		for i, element := range elements {
			if text(find(element, rest)) == account {
				return pointed(captures, list, first, i)
			}
		}
	}
	return captures
}

// pointed is the captures with those that lead through one element of the list leading through another.
func pointed(captures []connector.Capture, list string, from, to int) []connector.Capture {
	pointed := make([]connector.Capture, 0, len(captures))
	for _, capture := range captures {
		if through, index, rest, ok := capture.Element(); ok && through == list && index == from {
			capture.As = capture.Name()
			capture.Path = strings.Trim(strings.Join([]string{list, strconv.Itoa(to), rest}, "."), ".")
		}
		pointed = append(pointed, capture)
	}
	return pointed
}
