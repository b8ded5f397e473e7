package storetest

import (
	"fmt"
	"testing"

	"parley/internal/chat"
	"parley/internal/store"
)

// Fixtures are the schema versions that were released.
var Fixtures = []int{1, 3, 4}

// FixtureFile is a fixture's file in the folder of an engine.
func FixtureFile(version int) string { return fmt.Sprintf("testdata/schema-%d.sql", version) }

// NewestFixture is the file for the schema of a new store, which may be
// written. Those of earlier versions never change.
func NewestFixture(t *testing.T, s store.Store) string {
	t.Helper()
	stats, err := s.Stats(t.Context())
	if err != nil || int(stats.SchemaVersion) != Fixtures[len(Fixtures)-1] {
		t.Fatalf("schema %d (%v) is not the last of the fixtures %v: name it there", stats.SchemaVersion, err, Fixtures)
	}
	return FixtureFile(int(stats.SchemaVersion))
}

// FirstRows fills every table of the first schema with a few rows, as SQL for
// SQLite. It made the fixtures that upgrades are tested from and does not
// change with the schema.
const FirstRows = `
INSERT INTO meta (name, value) VALUES ('canary', x'00ff');
UPDATE sequence SET next = 1000 WHERE name = 'key';
INSERT INTO channel (key, id, type) VALUES (1, 'st-a', 'rtm');
INSERT INTO channel (key, id, type) VALUES (2, 'mm-1', 'mattermost');
INSERT INTO contact (key, id, name, created_at) VALUES (3, 'ct-1', 'Mia', 1700000000000);
INSERT INTO identity (channel, external_id, contact, verified, name, created_at) VALUES (1, 'user-1', 3, 1, 'Mia', 1700000000000);
INSERT INTO conversation (key, id, channel, place, contact, leg, seq, visible_seq, episode, open_turns, push_legs, last_mark, created_at, last_at)
	VALUES (4, 'cv-1', 1, 'place-1', 3, 5, 4, 2, 7, 1, 0, 'welcome', 1700000000000, 1700000004000);
INSERT INTO leg (key, conversation, episode, kind, mode, channel, place, thread, created_at) VALUES (5, 4, 0, 1, 1, 1, 'place-1', '', 1700000000000);
INSERT INTO leg (key, conversation, episode, kind, mode, channel, place, thread, created_at) VALUES (6, 4, 7, 2, 2, 2, 'room-1', 'root-1', 1700000000000);
INSERT INTO episode (key, id, conversation, control, epoch, assistant, version, collect, state, revision, queue, queued_at, skills, tags, agent, outcome, opened_at, last_at, closed_at)
	VALUES (7, 'ep-1', 4, 1, 1, 'front-desk', 3, 0, x'7b7d', 2, '', 0, '[]', '[]', '', '', 1700000000000, 1700000004000, 0);
INSERT INTO entry (conversation, seq, visible_seq, episode, origin, author_kind, author_id, visibility, purpose, target, content, created_at, edited_at, deleted, turn, raw)
	VALUES (4, 1, 1, 7, 5, 1, 'ct-1', 1, 1, 0, '{"v":1,"type":"text","text":"changed"}', 1700000001000, 1700000003000, 0, 8, 9);
INSERT INTO entry (conversation, seq, visible_seq, episode, origin, author_kind, author_id, visibility, purpose, target, content, created_at, edited_at, deleted, turn, raw)
	VALUES (4, 2, 2, 7, 0, 2, 'front-desk', 1, 1, 0, '{"v":1,"type":"text","text":"welcome","mark":"welcome"}', 1700000002000, 0, 0, 8, 0);
INSERT INTO entry (conversation, seq, visible_seq, episode, origin, author_kind, author_id, visibility, purpose, target, content, created_at, edited_at, deleted, turn, raw)
	VALUES (4, 3, 2, 7, 5, 1, 'ct-1', 1, 2, 1, '{"v":1,"type":"text","text":"changed"}', 1700000003000, 0, 0, 0, 0);
INSERT INTO entry (conversation, seq, visible_seq, episode, origin, author_kind, author_id, visibility, purpose, target, content, created_at, edited_at, deleted, turn, raw)
	VALUES (4, 4, 2, 7, 0, 3, 'ag-1', 2, 1, 0, '{"v":1,"type":"text","text":"note"}', 1700000004000, 0, 0, 0, 0);
INSERT INTO turn (key, conversation, episode, status, first_seq, last_seq, epoch, attempts, due_at, owner, boot, last_error, created_at, ended_at)
	VALUES (8, 4, 7, 3, 1, 1, 1, 0, 0, '', 0, '', 1700000001000, 1700000002000);
INSERT INTO turn (key, conversation, episode, status, first_seq, last_seq, epoch, attempts, due_at, owner, boot, last_error, created_at, ended_at)
	VALUES (10, 4, 7, 1, 3, 3, 1, 2, 1700000009000, '', 0, 'model was down', 1700000003000, 0);
INSERT INTO raw (key, conversation, seq, body, expires_at) VALUES (9, 4, 1, x'000102ff', 4000000000000);
INSERT INTO dedupe (channel, key, hash, conversation, seq, created_at, counts_until, reused, recent, expires_at)
	VALUES (1, 'user-1:17', x'aabb', 4, 1, 1700000001000, 4000000000000, 0, NULL, 4000000000000);
INSERT INTO delivery (key, conversation, seq, leg, channel, status, attempts, due_at, owner, boot, last_error, created_at, ended_at)
	VALUES (11, 4, 2, 6, 2, 1, 0, 1700000002000, '', 0, '', 1700000002000, 0);
INSERT INTO part (delivery, part, id, body, uploads, external_id, sent_at) VALUES (11, 1, 'pt-1', x'68656c6c6f', '[]', 'post-1', 1700000002500);
INSERT INTO reference (channel, external_id, conversation, seq, leg, part, erase, answer) VALUES (2, 'post-1', 4, 2, 6, 1, 0, '');
INSERT INTO reader (conversation, reader, seq, confirmed_at, expires_at) VALUES (4, 'token-1', 2, 1700000005000, 4000000000000);
INSERT INTO room (channel, room, status, position, changed_at) VALUES (2, 'room-1', 1, 'post-1', 1700000005000);
INSERT INTO node (id, boot, expires_at) VALUES ('node-1', 4, 1700000015000);
INSERT INTO link (account, owner, boot, claimed_at) VALUES ('relay', 'node-1', 4, 1700000005000);
INSERT INTO timer (key, kind, subject, conversation, due_at, epoch, owner, boot, data) VALUES (12, 'remind', 'ep-1', 4, 1700009999000, 1, '', 0, NULL);
INSERT INTO single_use (kind, key, expires_at) VALUES ('rtm-sid', 'v1', 4000000000000);
INSERT INTO file (key, id, conversation, status, owner, source, name, type, size, sha256, last_error, created_at, expires_at)
	VALUES (13, 'fl-1', 4, 2, 'ct-1', '', 'a.png', 'image/png', 3, 'abc', '', 1700000001000, 0);
INSERT INTO revision (revision, actor, note, created_at) VALUES (1, 'owner', 'first', 1700000000000);
INSERT INTO item (kind, name, version, published, deleted, body, revision, created_at) VALUES ('assistant', 'front-desk', 1, 1, 0, x'7b7d', 1, 1700000000000);
INSERT INTO secret (id, sealed, changed_at) VALUES ('secret-1', x'0708', 1700000000000);
INSERT INTO audit (key, at, actor, verb, subject, note) VALUES (14, 1700000000000, 'owner', 'catalog.put', 'revision 1', 'first');
`

// ThirdRows are what the third schema added to [FirstRows].
const ThirdRows = `
INSERT INTO token (key, id, name, hash, scopes, created_at, expires_at, last_used_at, revoked_at)
	VALUES (15, 'tk-1', 'ci', x'00ff', 'catalog:read deliveries:read', 1700000000000, 0, 1700000001000, 0);
INSERT INTO alert (name, text, raised_at, cleared_at, count) VALUES ('link:relay', 'down', 1700000000000, 0, 2);
UPDATE delivery SET uncertain = 1 WHERE key = 11;
INSERT INTO delivery (key, conversation, seq, leg, channel, status, attempts, due_at, owner, boot, last_error, created_at, ended_at, uncertain)
	VALUES (16, 4, 4, 6, 2, 3, 0, 1700000004000, '', 0, '', 1700000004000, 0, 0);
`

// CheckFixture checks a store that was opened on an older schema, with the rows
// of that version: everything is read as it was written, and work goes on.
func CheckFixture(t *testing.T, s store.Store, version int) {
	t.Helper()
	k := &kit{TB: t, Store: s, now: noon}
	k.checkDelivery(version >= 3)
	if version >= 3 {
		k.checkThird()
	}
	k.checkFirst()
}

// checkDelivery sends what the fixtures have begun to send.
func (k *kit) checkDelivery(uncertain bool) {
	k.Helper()
	out := do(k, k.claims()).Deliveries
	if len(out) != 1 {
		k.Fatalf("claimed %+v, want one delivery", out)
	}
	d := out[0]
	if d.Key != 11 || d.Channel != "mm-1" || d.Uncertain != uncertain || d.Entry.Content.Text != "welcome" || d.Leg.Thread != "root-1" || d.Conversation.Place != "place-1" ||
		len(d.Parts) != 1 || string(d.Parts[0].Body) != "hello" || d.Parts[0].External != "post-1" {
		k.Errorf("claimed %+v", d)
	}
	k.sent(d, 1, "", true)
	equal(k, "reference", k.refers("mm-1", "post-1").Seq, int64(2))
	k.rooms("mm-1", "room-1 live post-1")
	link := do(k, store.ClaimLink{Account: "relay", Owner: store.Owner{Node: "node-1", Boot: 4}, Now: k.now})
	equal(k, "link", link.Held, true)
}

func (k *kit) checkThird() {
	k.Helper()
	d := do(k, k.claims()).Deliveries
	if len(d) != 1 || d[0].Key != 16 || d[0].Uncertain {
		k.Errorf("claimed %+v, want what was behind", d)
	}
	tokens := must[[]store.Token](k)(k.Tokens(k.Context()))
	if len(tokens) != 1 || tokens[0].ID != "tk-1" || tokens[0].Name != "ci" || len(tokens[0].Scopes) != 2 || !tokens[0].RevokedAt.IsZero() {
		k.Errorf("tokens %+v", tokens)
	}
	alerts := must[[]store.Alert](k)(k.Alerts(k.Context(), k.now))
	if len(alerts) != 1 || alerts[0].Text != "down" || alerts[0].Count != 2 {
		k.Errorf("alerts %+v", alerts)
	}
}

func (k *kit) checkFirst() {
	k.Helper()
	ctx, t := k.Context(), k.TB
	c := must[chat.Conversation](k)(k.ConversationByPlace(ctx, botA, "place-1"))
	k.logs(c, "1|contact|all|changed", "2|assistant|all|welcome", "0|contact|all|changed", "0|agent|desk|note")
	if h := k.handling(c); h.Episode.ID != "ep-1" || string(h.Episode.State) != "{}" || h.OpenTurns != 1 || h.LastMark != chat.MarkWelcome {
		t.Errorf("handling %+v", h)
	}
	if p := must[chat.VisiblePage](k)(k.VisiblePage(ctx, c.Key, chat.Page{Offset: 1, Limit: 5})); p.Total != 2 || len(p.Entries) != 1 || p.Entries[0].Seq != 1 {
		t.Errorf("page %+v", p)
	}
	equal(k, "raw", string(must[[]byte](k)(k.Raw(ctx, c.Key, 1))), "\x00\x01\x02\xff")
	equal(k, "person", must[chat.Person](k)(k.Person(ctx, c.Contact, botA)), chat.Person{ExternalID: "user-1", Verified: true, Name: "Mia"})
	equal(k, "secret", string(must[map[string][]byte](k)(k.Secrets(ctx, []string{"secret-1"}))["secret-1"]), "\x07\x08")
	equal(k, "canary", string(must[[]byte](k)(k.MetaValue(ctx, "canary"))), "\x00\xff")
	equal(k, "revision", must[int64](k)(k.CatalogRevision(ctx)), 1)
	if seq, found, err := k.Confirmed(ctx, c.Key, "token-1"); seq != 2 || !found || err != nil {
		t.Errorf("confirmed %d, %v, %v", seq, found, err)
	}
	equal(k, "spent value", do(k, store.UseOnce{Kind: "rtm-sid", Key: "v1"}).First, false)
	equal(k, "boot", do(k, store.RenewLease{Node: "node-1", Life: life}).Boot, 5)
	claimed := do(k, store.ClaimTurns{Owner: me, Limit: 5, Now: k.now}).Turns
	if len(claimed) != 1 || claimed[0].Attempts != 2 || claimed[0].LastError != "model was down" {
		t.Fatalf("claimed %+v", claimed)
	}
	repeat := k.inbound(c, "x")
	repeat.Dedupe = &store.Dedupe{Key: "user-1:17", Hash: []byte{0xaa, 0xbb}, Life: life}
	equal(k, "repeat", do(k, repeat).Duplicate, true)
	if out := do(k, k.finish(&claimed[0], says("back"))); out.Lost || out.Entries[0].Seq != 5 || out.Entries[0].VisibleSeq != 3 {
		t.Errorf("finished %+v", out)
	}
	if key := k.conversation("new").Key; key < 1000 {
		t.Errorf("key %d was given out twice", key)
	}
}
