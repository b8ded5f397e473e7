package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"strings"

	"parley/internal/store/sqlstore"
)

// statement is a prepared statement.
type statement struct {
	stmt interface {
		driver.Stmt
		driver.StmtExecContext
		driver.StmtQueryContext
	}
	args []driver.NamedValue
	keys int
}

// manyRows is how many rows one INSERT takes when there are that many; it costs
// about two thirds of as many single ones.
const manyRows = 16

// changeStatements write one row, or manyRows of them.
type changeStatements struct{ one, many *statement }

func (s changeStatements) write(rows [][]any) error {
	for len(rows) > 0 {
		st, n := s.one, 1
		if s.many != nil && len(rows) >= manyRows {
			st, n = s.many, manyRows
		}
		if _, err := st.exec(rows[:n]...); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

func lookupText(l *sqlstore.Lookup) string {
	var conditions []string
	for _, c := range l.Match {
		conditions = append(conditions, c.Name+" = ?")
	}
	if l.Where != "" {
		conditions = append(conditions, l.Where)
	}
	return l.Select + " WHERE " + strings.Join(conditions, " AND ")
}

// changeText renders a change of a number of rows. Parameters have no names:
// the driver looks each name up.
func changeText(c *sqlstore.Change, rows int) string {
	var names, places, sets, keys []string
	for i, col := range c.Columns {
		names, places = append(names, col.Name), append(places, "?")
		if i < c.Keys {
			keys = append(keys, col.Name+" = ?")
		} else {
			sets = append(sets, col.Name+" = ?")
		}
	}
	switch c.Verb {
	case sqlstore.Insert, sqlstore.Keep, sqlstore.Put:
		row := "(" + strings.Join(places, ", ") + ")"
		return "INSERT INTO " + c.Table + " (" + strings.Join(names, ", ") + ") VALUES " + row + strings.Repeat(", "+row, rows-1) + c.OnConflict()
	case sqlstore.Update:
		return "UPDATE " + c.Table + " SET " + strings.Join(sets, ", ") + " WHERE " + strings.Join(keys, " AND ")
	default:
		return "DELETE FROM " + c.Table + " WHERE " + strings.Join(keys, " AND ")
	}
}

// with fills the statement's arguments.
func (s *statement) with(rows ...[]any) []driver.NamedValue {
	s.args = s.args[:0]
	for _, row := range rows {
		for i := range row {
			// The key of an update comes first in the row and last in the text.
			arg := row[(i+s.keys)%len(row)]
			s.args = append(s.args, driver.NamedValue{Ordinal: len(s.args) + 1, Value: arg})
		}
	}
	return s.args
}

// The writer's statements are short and not interrupted: a context with a Done
// channel would cost a goroutine for each.

// exec gives the statement the values of some rows.
func (s *statement) exec(rows ...[]any) (int64, error) {
	result, err := s.stmt.ExecContext(context.Background(), s.with(rows...))
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

func (s *statement) query(scan func(sqlstore.Row) error, args ...any) (err error) {
	rows, err := s.stmt.QueryContext(context.Background(), s.with(args))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	r := row{values: make([]driver.Value, len(rows.Columns()))}
	for {
		err := rows.Next(r.values)
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = scan(r)
		}
		if err != nil {
			return err
		}
	}
}

// row is a row as the driver gives it.
type row struct{ values []driver.Value }

// Scan implements [sqlstore.Row].
func (r row) Scan(dest ...any) error {
	if len(dest) != len(r.values) {
		return fmt.Errorf("%d destinations for %d columns", len(dest), len(r.values))
	}
	for i, d := range dest {
		ok := false
		switch d := d.(type) {
		case *int64:
			*d, ok = r.values[i].(int64)
		case *string:
			*d, ok = r.values[i].(string)
		case *[]byte:
			if *d, ok = r.values[i].([]byte); r.values[i] == nil {
				ok = true
			}
		}
		if !ok {
			return fmt.Errorf("column %d holds %T, wanted for %T", i, r.values[i], d)
		}
	}
	return nil
}
