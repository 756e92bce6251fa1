package api

import (
	"encoding/base64"
	"net/http"
	"strings"

	"github.com/acme/connections/workflows"
)

// cursorAfter is the cursor of the page after an id. Clients are to take it as it is.
func cursorAfter(id string) string { return base64.RawURLEncoding.EncodeToString([]byte("1:" + id)) }

func parseCursor(cursor string) (after string, err error) {
	if cursor == "" {
		return "", nil
	}
	content, err := base64.RawURLEncoding.DecodeString(cursor)
	after, ok := strings.CutPrefix(string(content), "1:")
	if err != nil || !ok || !workflows.ValidID(after) {
		return "", malformed("query.cursor", "This is not a cursor. Take next_cursor as it came.")
	}
	return after, nil
}

func parseTags(tags []string) (map[string]string, error) {
	parsed := make(map[string]string, len(tags))
	for _, tag := range tags {
		name, value, ok := strings.Cut(tag, ":")
		if !ok || name == "" || strings.ContainsRune(tag, 0) {
			return nil, malformed("query.tag", "A tag is given as name:value.")
		}
		parsed[name] = value
	}
	return parsed, nil
}

// malformed says where a request is not as it must be.
func malformed(location, message string) *Problem {
	p := newProblem(http.StatusUnprocessableEntity, string(workflows.ReasonInvalid), message)
	p.Errors = []ProblemError{{Location: location, Message: message}}
	return p
}
