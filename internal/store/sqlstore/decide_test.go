package sqlstore

import (
	"strings"
	"testing"
	"testing/fstest"
	"time"
	"unicode/utf8"

	"parley/internal/chat"
	"parley/internal/store"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// talking is a batch with one conversation that has a contact leg and, if
// push is set, a desk leg that gets deliveries.
func talking(push bool) (*batch, *conversation) {
	b := newBatch(noon, &keyBlock{next: 100, end: 10_000})
	v := &conversation{key: 1, channel: 7, leg: 2}
	if push {
		v.push = []pushLeg{{Leg: chat.Leg{Key: 3, Conversation: 1, Episode: 100, Kind: chat.LegDesk, Mode: chat.LegPush}, channel: 8}}
	}
	b.conversations[1] = v
	return b, v
}

func text(kind chat.AuthorKind, visibility chat.Visibility, words string) chat.Draft {
	return chat.Draft{Author: chat.Author{Kind: kind}, Purpose: chat.Message, Visibility: visibility, Content: chat.TextContent(words)}
}

func inbound() store.Accept {
	return store.Accept{
		Conversation: 1, Origin: 2, Draft: text(chat.ByContact, chat.VisibleToAll, "x"), OwesTurn: true,
		Owner: store.Owner{Node: "n", Boot: 1}, Now: noon,
	}
}

func decided[O any](t *testing.T, b *batch, step store.StepFor[O]) O {
	t.Helper()
	prepared, contents, err := prepare(step)
	if err != nil {
		t.Fatal(err)
	}
	out, err := b.decide(prepared, contents)
	if err != nil {
		t.Fatal(err)
	}
	return out.(O)
}

func rowsOf(writes []Write, c *Change) [][]any {
	for _, w := range writes {
		if w.Change == c {
			return w.Rows
		}
	}
	return nil
}

// TestStepsOfABatchSeeEachOther puts a whole exchange into one batch.
func TestStepsOfABatchSeeEachOther(t *testing.T) {
	b, v := talking(false)
	first := decided(t, b, inbound())
	second := decided(t, b, inbound())
	if first.Turn.Status != chat.TurnClaimed || second.Turn.Status != chat.TurnWaiting || second.Entry.Seq != 2 {
		t.Fatalf("turns %+v, %+v", first.Turn, second.Turn)
	}
	done := decided(t, b, store.FinishTurn{Conversation: 1, Turn: first.Turn.Key, Owner: store.Owner{Node: "n", Boot: 1}, Epoch: first.Turn.Epoch, Now: noon,
		Reply: store.Reply{Entries: []chat.Draft{text(chat.ByAssistant, chat.VisibleToAll, "y")}}})
	if done.Next == nil || done.Next.Key != second.Turn.Key {
		t.Fatalf("next %+v", done.Next)
	}
	step := inbound()
	step.IdleBefore, step.Now = noon.Add(time.Hour), noon.Add(2*time.Hour)
	third := decided(t, b, step)
	if third.Episode.Key == first.Episode.Key {
		t.Fatal("the silent episode was kept")
	}
	if v.openTurns != 1 || v.seq != 4 || v.visible != 4 {
		t.Errorf("conversation %+v", v)
	}
	writes := b.changes()
	if n := len(rowsOf(writes, insertEpisode)); n != 2 {
		t.Errorf("%d episodes are inserted, want 2", n)
	}
	if n := len(rowsOf(writes, insertTurn)); n != 3 {
		t.Errorf("%d turns are inserted, want 3", n)
	}
	if n := len(rowsOf(writes, updateConversation)); n != 1 {
		t.Errorf("the conversation is written %d times, want once", n)
	}
	if n := len(rowsOf(writes, updateEpisode)) + len(rowsOf(writes, updateTurn)); n != 0 {
		t.Errorf("%d rows of this batch are updated, want none", n)
	}
}

func TestRefusedStepLeavesNoTrace(t *testing.T) {
	b, v := talking(false)
	step := inbound()
	step.Draft.Purpose, step.Draft.Target = chat.Edit, 9
	if _, err := b.decide(step, []string{"{}"}); err == nil {
		t.Fatal("an edit of nothing was accepted")
	}
	if v.dirty || v.seq != 0 || v.episode != nil || len(b.changes()) != 0 {
		t.Errorf("the conversation was changed: %+v", v)
	}
}

func TestDeliveriesFollowTheRuleOfFanOut(t *testing.T) {
	b, _ := talking(true)
	step := inbound()
	if out := decided(t, b, step); out.Episode.Key != 100 {
		t.Fatalf("episode %d, the leg expects 100", out.Episode.Key)
	}
	decided(t, b, store.Append{Conversation: 1, Now: noon, Entries: []chat.Draft{
		text(chat.BySystem, chat.VisibleToDesk, "note"), // reaches the desk
		{Author: chat.Author{Kind: chat.BySystem}, Purpose: chat.Event, Visibility: chat.VisibleToDesk, Content: chat.EventContent("e")}, // stays inside
	}})
	decided(t, b, store.Append{Conversation: 1, Origin: 3, Now: noon, Entries: []chat.Draft{text(chat.ByAgent, chat.VisibleToAll, "from the desk")}})
	rows := rowsOf(b.changes(), insertDelivery)
	if len(rows) != 2 || rows[0][2] != int64(1) || rows[1][2] != int64(2) || rows[0][4] != int64(8) {
		t.Errorf("deliveries %v, want those of entries 1 and 2 on channel 8", rows)
	}
}

// TestRoomEndsWhereTheQueueMovesIt decides two steps in another order than that
// of the queue, as the writer does to lock conversations in one order.
func TestRoomEndsWhereTheQueueMovesIt(t *testing.T) {
	b, _ := talking(false)
	move := func(order int, position string) {
		b.order = order
		step := inbound()
		step.Room = &store.Room{Room: "r", Status: store.RoomLive, Position: position}
		decided(t, b, step)
	}
	move(1, "newest")
	move(0, "older")
	rows := rowsOf(b.changes(), putRoom)
	if len(rows) != 1 || rows[0][0] != int64(7) || rows[0][3] != "newest" {
		t.Errorf("rooms %v, want one, at the newest", rows)
	}
}

// TestCarriedReplies knows of deliveries that its own batch has made.
func TestCarriedReplies(t *testing.T) {
	b, v := talking(false)
	v.push = []pushLeg{{Leg: chat.Leg{Key: 2, Conversation: 1, Kind: chat.LegContact, Mode: chat.LegPush}, channel: 7}}
	carry := func() store.Accepted {
		step := inbound()
		step.Carry, step.Fold = true, &store.Fold{Reply: store.Reply{Entries: []chat.Draft{text(chat.ByAssistant, chat.VisibleToAll, "y")}}}
		if e := v.openEpisode(); e != nil {
			step.Fold.Episode, step.Fold.Epoch, step.Fold.Revision = e.Key, e.Epoch, e.Revision
		}
		return decided(t, b, step)
	}
	if out := carry(); !out.Carried {
		t.Errorf("%+v, want carried", out)
	}
	decided(t, b, store.Append{Conversation: 1, Now: noon, Entries: []chat.Draft{text(chat.BySystem, chat.VisibleToAll, "note")}})
	if out := carry(); !out.Folded || out.Carried {
		t.Errorf("%+v, want a delivery behind the note's", out)
	}
	rows := rowsOf(b.changes(), insertDelivery)
	if len(rows) != 2 || rows[0][5] != int64(1) || rows[1][5] != int64(3) {
		t.Errorf("deliveries %v, want one and one behind it", rows)
	}
}

func TestKeysNeededIsEnough(t *testing.T) {
	b, v := talking(true)
	for range 5 {
		v.push = append(v.push, v.push[0])
	}
	step := inbound()
	step.Raw, step.RawLife = []byte("raw"), time.Hour
	step.Fold = &store.Fold{}
	for range 10 {
		step.Fold.Reply.Entries = append(step.Fold.Reply.Entries, text(chat.ByAssistant, chat.VisibleToAll, "y"))
	}
	need, before := b.keysNeeded(step), b.keys.next
	decided(t, b, step)
	if took := b.keys.next - before; took > need {
		t.Errorf("the step took %d keys, %d were reckoned with", took, need)
	}
}

func TestMigrationFiles(t *testing.T) {
	known, err := readMigrations(schemaFiles)
	if err != nil || len(known) == 0 {
		t.Fatal(err)
	}
	for _, m := range known {
		for _, d := range []Dialect{SQLite, PostgreSQL} {
			text := m.render(d)
			for _, word := range []string{"COLLATE_C", "HOT_ROWS", "TIME_ORDER"} {
				if strings.Contains(text, word) {
					t.Errorf("%s for %s still holds %s", m.name, d.Goose, word)
				}
			}
		}
		if postgres := m.render(PostgreSQL); strings.Contains(postgres, " BLOB") || strings.Contains(postgres, "ROWID") || strings.Contains(postgres, "INTEGER PRIMARY") {
			t.Errorf("%s for PostgreSQL speaks SQLite", m.name)
		}
	}
	for name, files := range map[string]fstest.MapFS{
		"a gap":         {"schema/00002_x.sql": {Data: []byte("-- serves: 1\n")}},
		"serves no-one": {"schema/00001_x.sql": {Data: []byte("SELECT 1;\n")}},
		"no number":     {"schema/first.sql": {Data: []byte("-- serves: 1\n")}},
	} {
		if _, err := readMigrations(files); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// TestEveryChangeIsWritten keeps the order of writing and the list for engines
// in step.
func TestEveryChangeIsWritten(t *testing.T) {
	ordered := map[*Change]bool{}
	for _, c := range writeOrder {
		ordered[c] = true
	}
	for _, c := range Changes() {
		if !ordered[c] {
			t.Errorf("%s is never written", c.Table)
		}
		delete(ordered, c)
	}
	if len(ordered) > 0 {
		t.Errorf("%d changes are not prepared", len(ordered))
	}
}

func TestCodesHaveAPlaceForEveryValue(t *testing.T) {
	for _, status := range []chat.TurnStatus{chat.TurnWaiting, chat.TurnClaimed, chat.TurnDone, chat.TurnFailed, chat.TurnDropped} {
		if statuses.value(statuses.code(status)) != status {
			t.Errorf("%s does not come back", status)
		}
	}
	for i, status := range []chat.DeliveryStatus{chat.DeliveryWaiting, chat.DeliveryClaimed, deliveryBehind, chat.DeliverySent, chat.DeliveryFailed, chat.DeliveryDropped} {
		if deliveryStatuses.code(status) != int64(i)+1 { // SQL texts name these
			t.Errorf("the code of a delivery that is %s has moved", status)
		}
	}
	// SQL texts name these.
	if statuses.code(chat.TurnClaimed) != 2 || statuses.code(chat.TurnFailed) != 4 || controls.code(chat.ControlQueue) != 2 || legModes.code(chat.LegPush) != 2 {
		t.Error("a code that SQL texts name has moved")
	}
	if statuses.value(99) != "" || statuses.code("odd") != 0 {
		t.Error("an unknown value has a code")
	}
}

func FuzzSafeText(f *testing.F) {
	f.Add("a\x00b\xff", 3)
	f.Fuzz(func(t *testing.T, s string, limit int) {
		limit = min(max(limit, 0), 10_000)
		got := safeText(s, limit)
		if len(got) > limit || !utf8.ValidString(got) || strings.ContainsRune(got, 0) {
			t.Errorf("safeText(%q, %d) = %q", s, limit, got)
		}
	})
}
