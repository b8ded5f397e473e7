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

// FailSyncs has the checkpointer's syncs of the database fail with err. It must come
// before the first commit.
func FailSyncs(s *Store, err error) {
	s.checkpoints.file.store = func(func()) error { return err }
}
