package connector

import (
	"fmt"
	"slices"
	"strings"
)

// UnknownError says that there is no such connector.
type UnknownError struct {
	ID   string
	Near []string
}

func (e *UnknownError) Error() string {
	s := fmt.Sprintf("there is no connector %q", cut(e.ID))
	if len(e.Near) > 0 {
		s += "; did you mean " + strings.Join(e.Near, ", ") + "?"
	}
	return s + " \"starter connectors\" lists them all"
}

// near returns up to three ids that look like id.
func (c *Catalogue) near(id string) []string {
	type candidate struct {
		id       string
		distance int
	}
	id = strings.ToLower(id)
	if len(id) > 64 {
		id = id[:64]
	}
	var found []candidate
	for _, known := range c.IDs() {
		d := distance(id, known)
		if min(len(id), len(known)) >= 3 && (strings.Contains(known, id) || strings.Contains(id, known)) {
			d = min(d, 2)
		}
		if d <= max(2, len(id)/3) && d < len(id) {
			found = append(found, candidate{known, d})
		}
	}
	slices.SortFunc(found, func(a, b candidate) int {
		if a.distance != b.distance {
			return a.distance - b.distance
		}
		return strings.Compare(a.id, b.id)
	})
	var ids []string
	for _, f := range found[:min(3, len(found))] {
		ids = append(ids, f.id)
	}
	return ids
}

// distance is the Levenshtein distance in bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := diagonal
			if a[i-1] != b[j-1] {
				cost++
			}
			diagonal = row[j]
			row[j] = min(row[j]+1, row[j-1]+1, cost)
		}
	}
	return row[len(b)]
}
