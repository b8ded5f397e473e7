// Package faqeval measures how well package faq finds the entries of a FAQ, on
// a file of entries and queries, and fits the numbers the search rests on.
package faqeval

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"parley/internal/assistant/flow/faq"
)

// Query is one question with what is known about it.
type Query struct {
	Set, Lang, Kind, Text string
	Expect                []string // ids of which any is right; empty if out of scope
}

// InScope reports whether some entry answers the query.
func (q *Query) InScope() bool { return len(q.Expect) > 0 }

// Data is a file of FAQs with queries.
type Data struct {
	Entries map[string][]faq.Entry // by set
	Queries []Query
}

// Load reads one JSON object a line: entries ("set", "lang", "id",
// "phrasings", "answer") and queries ("set", "lang", "text", "kind" and
// "expect", which is an id, a list of ids or null).
func Load(r io.Reader) (*Data, error) {
	d := &Data{Entries: map[string][]faq.Entry{}}
	sc := bufio.NewScanner(r)
	sc.Buffer(nil, 1<<20)
	for line := 1; sc.Scan(); line++ {
		var o struct {
			Type, Set, Lang, ID, Answer, Text, Kind string
			Phrasings                               []string
			Expect                                  json.RawMessage
		}
		if err := json.Unmarshal(sc.Bytes(), &o); err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		switch o.Type {
		case "entry":
			e := faq.Entry{ID: o.ID, Lang: o.Lang, Phrasings: o.Phrasings, Answer: o.Answer}
			d.Entries[o.Set] = append(d.Entries[o.Set], e)
		case "query":
			expect, err := ids(o.Expect)
			if err != nil {
				return nil, fmt.Errorf("line %d: expect: %w", line, err)
			}
			d.Queries = append(d.Queries, Query{o.Set, o.Lang, o.Kind, o.Text, expect})
		default:
			return nil, fmt.Errorf("line %d: unknown type %q", line, o.Type)
		}
	}
	return d, sc.Err()
}

func ids(raw json.RawMessage) ([]string, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	if raw[0] == '"' {
		var one string
		err := json.Unmarshal(raw, &one)
		return []string{one}, err
	}
	var list []string
	err := json.Unmarshal(raw, &list)
	return list, err
}

// right reports whether id is an expected entry.
func (q *Query) right(id string) bool { return slices.Contains(q.Expect, id) }
