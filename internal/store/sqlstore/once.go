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

// confirmRead never moves past the log's end: that would hide entries that are
// still to come. A conversation that is remembered and not what it was any more
// only has a later end.
func (b *batch) confirmRead(s store.ConfirmRead) (any, error) {
	v, err := b.conversation(s.Conversation)
	if err != nil {
		return nil, err
	}
	key := readerKey{s.Conversation, s.Reader}
	row := reader{seq: min(s.Seq, v.seq), confirmedAt: max(millis(s.Now), 1), expiresAt: millis(s.ExpiresAt)}
	if have, there := b.readers[key]; !there || row.seq > have.seq {
		b.readers[key] = row
	}
	return store.ConfirmedRead{}, nil
}
