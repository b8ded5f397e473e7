package sqlite

import "fmt"

// LimitPages bounds the size of the database, as a full disk does. It must not
// run beside a commit.
func LimitPages(s *Store, pages int) error {
	st, err := s.engine.prepare(fmt.Sprintf("PRAGMA max_page_count = %d", pages))
	if err != nil {
		return err
	}
	_, err = st.exec()
	return err
}

// FailSync has the checkpointer's first sync of the database fail with err, and
// later ones end well, as Linux does. It must come before the first commit.
func FailSync(s *Store, err error) {
	f := s.checkpoints.file
	whole := f.store
	f.store = func(meanwhile func()) error {
		f.store = whole
		return err
	}
}
