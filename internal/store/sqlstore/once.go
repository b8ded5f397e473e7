package sqlstore

import (
	"parley/internal/store"
)

func (b *batch) useOnce(s store.UseOnce) (any, error) {
	key := onceKey{s.Kind, s.Key}
	if b.once[key] {
		return store.UsedOnce{}, nil
	}
	b.once[key] = true
	b.add(insertOnce, []any{s.Kind, s.Key, millis(s.ExpiresAt)})
	return store.UsedOnce{First: true}, nil
}

// confirmRead only moves forward, and never past the log's end: that would
// hide entries that are still to come.
func (b *batch) confirmRead(s store.ConfirmRead) (any, error) {
	v, err := b.conversation(s.Conversation)
	if err != nil {
		return nil, err
	}
	key := readerKey{s.Conversation, s.Reader}
	seq := min(s.Seq, v.seq)
	row := b.readers[key]
	if row == nil {
		row = &reader{conversation: s.Conversation, name: s.Reader, made: true}
		b.readers[key] = row
	} else if seq <= row.seq {
		return store.ConfirmedRead{}, nil
	}
	row.seq, row.confirmedAt, row.expiresAt = seq, max(millis(s.Now), 1), max(row.expiresAt, millis(s.ExpiresAt))
	return store.ConfirmedRead{}, nil
}
