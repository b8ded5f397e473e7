package sqlstore

import (
	"time"

	"parley/internal/chat"
	"parley/internal/store"
)

// conversation is what steps need of a conversation's row, with what hangs on
// it.
type conversation struct {
	key       chat.ConversationKey
	channel   int64
	leg       chat.LegKey
	seq       int64
	visible   int64
	episodeID chat.EpisodeKey
	openTurns int64
	pushLegs  int64
	lastMark  chat.Mark
	lastAt    int64
	dirty     bool
	// stamp is that of the commit that wrote it last, see [Engine.Commit], and
	// recalled tells that it is remembered from there.
	stamp    int64
	recalled bool

	// episode is the newest one, or nil.
	episode *episode
	// turns are the open ones, oldest first.
	turns []*turn
	// push are the legs that get deliveries.
	push []pushLeg
	// entries are those made by this batch and those that edits name.
	entries map[int64]*entry
	// edits are the edits of a target that is to be deleted.
	edits map[int64][]*entry
}

type pushLeg struct {
	chat.Leg
	channel int64
}

func scanConversation(r Row, v *conversation) error {
	var mark string
	err := r.Scan((*int64)(&v.key), &v.channel, (*int64)(&v.leg), &v.seq, &v.visible, (*int64)(&v.episodeID), &v.openTurns, &v.pushLegs, &mark, &v.lastAt)
	v.lastMark = chat.Mark(mark)
	return err
}

func (v *conversation) row() []any {
	return []any{int64(v.key), v.seq, v.visible, int64(v.episodeID), v.openTurns, string(v.lastMark), v.lastAt}
}

func (v *conversation) recalledRow() []any {
	row := v.row()
	return append([]any{row[0], v.stamp}, row[1:]...)
}

func scanPlace(r Row, c *chat.Conversation) error {
	var id, channel, contact string
	var created, last int64
	err := r.Scan((*int64)(&c.Key), &id, &channel, &c.Place, (*int64)(&c.Contact), &contact, (*int64)(&c.Leg), &c.Seq, &c.VisibleSeq, &created, &last)
	c.ID, c.Channel, c.ContactID = chat.ConversationID(id), chat.ChannelID(channel), chat.ContactID(contact)
	c.CreatedAt, c.LastAt = timeOf(created), timeOf(last)
	return err
}

type episode struct {
	chat.Episode
	collect  bool
	queuedAt int64
	made     bool // by this batch
	dirty    bool
}

func scanEpisode(r Row, e *chat.Episode, more ...any) error {
	var id string
	var control, opened, last, closed int64
	dest := append([]any{(*int64)(&e.Key), &id, (*int64)(&e.Conversation), &control, &e.Epoch, &e.Assistant, &e.Version, &e.State, &e.Revision,
		&e.Queue, &e.Agent, &e.Outcome, &opened, &last, &closed}, more...)
	if err := r.Scan(dest...); err != nil {
		return err
	}
	e.ID, e.Control = chat.EpisodeID(id), controls.value(control)
	e.OpenedAt, e.LastAt, e.ClosedAt = timeOf(opened), timeOf(last), timeOf(closed)
	return nil
}

func (e *episode) insertRow() []any {
	return []any{int64(e.Key), string(e.ID), int64(e.Conversation), controls.code(e.Control), e.Epoch, e.Assistant, e.Version, flag(e.collect), e.State, e.Revision,
		e.Queue, e.queuedAt, "[]", "[]", e.Agent, e.Outcome, millis(e.OpenedAt), millis(e.LastAt), millis(e.ClosedAt)}
}

func (e *episode) updateRow() []any {
	return []any{int64(e.Key), controls.code(e.Control), e.Epoch, e.State, e.Revision, e.Queue, e.queuedAt, e.Agent, e.Outcome, millis(e.LastAt), millis(e.ClosedAt)}
}

type turn struct {
	chat.Turn
	owner     store.Owner
	dueAt     int64
	createdAt int64
	endedAt   int64
	made      bool
	dirty     bool
}

// scanTurn reads a turn; a first attempt is due since the turn was made.
func scanTurn(r Row, t *turn, more ...any) error {
	var status, attempts int64
	dest := append([]any{(*int64)(&t.Key), (*int64)(&t.Conversation), (*int64)(&t.Episode), &status, &t.FirstSeq, &t.LastSeq, &t.Epoch, &attempts,
		&t.dueAt, &t.LastError, &t.createdAt}, more...)
	if err := r.Scan(dest...); err != nil {
		return err
	}
	t.Status, t.Attempts = statuses.value(status), int(attempts)
	t.DueAt = timeOf(max(t.dueAt, t.createdAt))
	return nil
}

func (t *turn) open() bool { return t.Status == chat.TurnWaiting || t.Status == chat.TurnClaimed }

func (t *turn) claim(owner store.Owner) {
	t.Status, t.owner, t.dirty = chat.TurnClaimed, owner, true
}

func (t *turn) end(status chat.TurnStatus, at int64) {
	t.Status, t.owner, t.endedAt, t.dirty = status, store.Owner{}, at, true
}

// public returns a copy that the caller may keep.
func (t *turn) public() *chat.Turn {
	out := t.Turn
	return &out
}

func (t *turn) insertRow() []any {
	return []any{int64(t.Key), int64(t.Conversation), int64(t.Episode), statuses.code(t.Status), t.FirstSeq, t.LastSeq, t.Epoch, int64(t.Attempts),
		t.dueAt, t.owner.Node, t.owner.Boot, t.LastError, t.createdAt, t.endedAt}
}

func (t *turn) updateRow() []any {
	return []any{int64(t.Key), statuses.code(t.Status), t.LastSeq, int64(t.Attempts), t.dueAt, t.owner.Node, t.owner.Boot, t.LastError, t.endedAt}
}

type entry struct {
	chat.Entry
	// visibleSoFar is how many entries the contact sees up to this one.
	visibleSoFar int64

	content string
	raw     int64
	turn    chat.TurnKey
	made    bool
	dirty   bool
}

func scanEntry(r Row, e *entry, more ...any) error {
	var kind, visibility, purpose, created, edited, deleted int64
	dest := append([]any{(*int64)(&e.Conversation), &e.Seq, &e.VisibleSeq, (*int64)(&e.Episode), (*int64)(&e.Origin), &kind, &e.Author.ID,
		&visibility, &purpose, &e.Target, &e.content, &created, &edited, &deleted}, more...)
	if err := r.Scan(dest...); err != nil {
		return err
	}
	e.Author.Kind, e.Visibility, e.Purpose = authorKinds.value(kind), visibilities.value(visibility), purposes.value(purpose)
	e.CreatedAt, e.EditedAt, e.Deleted = timeOf(created), timeOf(edited), deleted != 0
	e.visibleSoFar = e.VisibleSeq
	if !e.Visible() {
		e.VisibleSeq = 0
	}
	return nil
}

func (e *entry) insertRow() []any {
	return []any{int64(e.Conversation), e.Seq, e.visibleSoFar, int64(e.Episode), int64(e.Origin), authorKinds.code(e.Author.Kind), e.Author.ID,
		visibilities.code(e.Visibility), purposes.code(e.Purpose), e.Target, e.content, e.CreatedAt.UnixMilli(), millis(e.EditedAt), flag(e.Deleted),
		int64(e.turn), e.raw}
}

func (e *entry) updateRow() []any {
	return []any{int64(e.Conversation), e.Seq, e.content, millis(e.EditedAt), flag(e.Deleted), e.raw}
}

// dedupe is the memory of one key; see [store.Dedupe].
type dedupe struct {
	channel int64
	key     string
	seen
	reused    bool
	recent    []seen
	expiresAt int64
	made      bool
	dirty     bool
}

// seen is a content that came with a key.
type seen struct {
	Hash         []byte               `json:"h"`
	Conversation chat.ConversationKey `json:"c"`
	Seq          int64                `json:"s"`
	CreatedAt    int64                `json:"a"`
	CountsUntil  int64                `json:"u"`
}

func (s seen) entry() chat.Entry {
	return chat.Entry{Conversation: s.Conversation, Seq: s.Seq, CreatedAt: time.UnixMilli(s.CreatedAt).UTC()}
}

type identity struct {
	channelID  chat.ChannelID
	channel    int64
	externalID string
	contact    chat.ContactKey
	contactID  chat.ContactID
	verified   bool
	name       string
	made       bool
	dirty      bool
}

type reader struct{ seq, confirmedAt, expiresAt int64 }
