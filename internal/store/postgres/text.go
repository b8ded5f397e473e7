package postgres

import (
	"fmt"
	"strings"

	"parley/internal/store/sqlstore"
)

var typeNames = map[sqlstore.Type]string{sqlstore.Int: "bigint[]", sqlstore.Text: "text[]", sqlstore.Bytes: "bytea[]"}

// lists renders the parameters as one relation with a column per array.
func lists(columns []sqlstore.Column) string {
	var parameters, names []string
	for i, c := range columns {
		parameters = append(parameters, fmt.Sprintf("$%d::%s", i+1, typeNames[c.Type]))
		names = append(names, fmt.Sprintf("c%d", i+1))
	}
	return "unnest(" + strings.Join(parameters, ", ") + ") AS u(" + strings.Join(names, ", ") + ")"
}

// pairs renders "a = u.c1, b = u.c2" for some of the columns.
func pairs(columns []sqlstore.Column, from, to int, prefix, between string) string {
	var all []string
	for i := from; i < to; i++ {
		all = append(all, fmt.Sprintf("%s%s = u.c%d", prefix, columns[i].Name, i+1))
	}
	return strings.Join(all, between)
}

// lookupText looks each key up by itself. OFFSET 0 keeps the planner from
// dissolving the inner query: while tables were small it would choose to walk
// a part of an index, and keep to that when they have grown.
func lookupText(l *sqlstore.Lookup) string {
	match := pairs(l.Match, 0, len(l.Match), "", " AND ")
	if l.Lock != "" {
		// Rows are locked as they leave the sort. The lock does not hinder
		// rows that only refer to the locked ones.
		return l.Select + " JOIN " + lists(l.Match) + " ON " + match + " ORDER BY " + l.Match[0].Name + " FOR NO KEY UPDATE OF " + l.Lock
	}
	if l.Where != "" {
		match += " AND " + l.Where
	}
	return "SELECT x.* FROM " + lists(l.Match) + " CROSS JOIN LATERAL (" + l.Select + " WHERE " + match + " OFFSET 0) AS x"
}

func changeText(c *sqlstore.Change) string {
	var names []string
	for _, col := range c.Columns {
		names = append(names, col.Name)
	}
	where := " WHERE " + pairs(c.Columns, 0, c.Keys, "t.", " AND ")
	switch c.Verb {
	case sqlstore.Insert, sqlstore.Keep, sqlstore.Put:
		return "INSERT INTO " + c.Table + " (" + strings.Join(names, ", ") + ") SELECT * FROM " + lists(c.Columns) + c.OnConflict()
	case sqlstore.UpdateSame:
		// A row's xmin is the transaction that has written it. Dividing by zero is
		// the way to make a statement fail for what it finds.
		set := pairs(c.Columns, c.Keys, len(c.Columns), "", ", ")
		return "WITH same AS (UPDATE " + c.Table + " AS t SET " + set + " FROM " + lists(c.Columns) +
			" WHERE t." + c.Columns[0].Name + " = u.c1 AND t.xmin::text::bigint = u.c2 RETURNING 1)" +
			" SELECT 1 / (count(*) = cardinality($1))::int FROM same"
	case sqlstore.Update:
		return "UPDATE " + c.Table + " AS t SET " + pairs(c.Columns, c.Keys, len(c.Columns), "", ", ") + " FROM " + lists(c.Columns) + where
	default:
		return "DELETE FROM " + c.Table + " AS t USING " + lists(c.Columns) + where
	}
}

// arrays turns rows into one array per column.
func arrays(columns []sqlstore.Column, rows [][]any) []any {
	out := make([]any, len(columns))
	for i, c := range columns {
		switch c.Type {
		case sqlstore.Int:
			out[i] = column[int64](rows, i)
		case sqlstore.Text:
			out[i] = column[string](rows, i)
		default:
			out[i] = column[[]byte](rows, i)
		}
	}
	return out
}

func column[T any](rows [][]any, i int) []T {
	all := make([]T, len(rows))
	for n, row := range rows {
		all[n] = row[i].(T)
	}
	return all
}
