package sqlstore

import (
	"slices"
	"strings"
)

// columns reads "name name:text name:bytes": integers by default.
func columns(list string) []Column {
	var all []Column
	for _, word := range strings.Fields(list) {
		name, kind, _ := strings.Cut(word, ":")
		c := Column{Name: name}
		switch kind {
		case "text":
			c.Type = Text
		case "bytes":
			c.Type = Bytes
		}
		all = append(all, c)
	}
	return all
}

// The changes the steps make. Each one's row function stands beside the row's
// type.
var (
	insertChannel      = &Change{Verb: Insert, Table: "channel", Columns: columns("key id:text type:text")}
	insertContact      = &Change{Verb: Insert, Table: "contact", Columns: columns("key id:text name:text created_at")}
	insertIdentity     = &Change{Verb: Insert, Table: "identity", Columns: columns("channel external_id:text contact verified name:text created_at")}
	updateIdentity     = &Change{Verb: Update, Table: "identity", Keys: 2, Columns: columns("channel external_id:text verified name:text")}
	insertConversation = &Change{Verb: Insert, Table: "conversation", Columns: columns(
		"key id:text channel place:text contact leg seq visible_seq episode open_turns push_legs last_mark:text created_at last_at")}
	updateConversation = &Change{Verb: Update, Table: "conversation", Keys: 1, Columns: columns(
		"key seq visible_seq episode open_turns last_mark:text last_at")}
	// updateRecalled writes a conversation that was not loaded in its transaction.
	updateRecalled = &Change{Verb: UpdateSame, Table: "conversation", Keys: 2, Columns: slices.Concat(columns("key stamp"), updateConversation.Columns[1:])}
	insertLeg      = &Change{Verb: Insert, Table: "leg", Columns: columns("key conversation episode kind mode channel place:text thread:text created_at")}
	insertEpisode  = &Change{Verb: Insert, Table: "episode", Columns: columns(
		"key id:text conversation control epoch assistant:text version collect state:bytes revision queue:text queued_at skills:text tags:text agent:text outcome:text opened_at last_at closed_at")}
	updateEpisode = &Change{Verb: Update, Table: "episode", Keys: 1, Columns: columns(
		"key control epoch state:bytes revision queue:text queued_at agent:text outcome:text last_at closed_at")}
	insertEntry = &Change{Verb: Insert, Table: "entry", Columns: columns(
		"conversation seq visible_seq episode origin author_kind author_id:text visibility purpose target content:text created_at edited_at deleted turn raw")}
	updateEntry    = &Change{Verb: Update, Table: "entry", Keys: 2, Columns: columns("conversation seq content:text edited_at deleted raw")}
	insertRaw      = &Change{Verb: Insert, Table: "raw", Columns: columns("key conversation seq body:bytes expires_at")}
	deleteRaw      = &Change{Verb: Delete, Table: "raw", Keys: 1, Columns: columns("key")}
	insertDedupe   = &Change{Verb: Insert, Table: "dedupe", Columns: columns("channel key:text hash:bytes conversation seq created_at counts_until reused recent:bytes expires_at")}
	updateDedupe   = &Change{Verb: Update, Table: "dedupe", Keys: 2, Columns: insertDedupe.Columns}
	insertTurn     = &Change{Verb: Insert, Table: "turn", Columns: columns("key conversation episode status first_seq last_seq epoch attempts due_at owner:text boot last_error:text created_at ended_at")}
	updateTurn     = &Change{Verb: Update, Table: "turn", Keys: 1, Columns: columns("key status last_seq attempts due_at owner:text boot last_error:text ended_at")}
	insertDelivery = &Change{Verb: Insert, Table: "delivery", Columns: columns("key conversation seq leg channel status attempts due_at owner:text boot last_error:text created_at ended_at")}
	updateDelivery = &Change{Verb: Update, Table: "delivery", Keys: 1, Columns: columns("key status attempts due_at owner:text boot last_error:text ended_at uncertain")}
	// promoteDelivery makes the next of a leg its head.
	promoteDelivery = &Change{Verb: Update, Table: "delivery", Keys: 1, Columns: columns("key status")}
	insertPart      = &Change{Verb: Insert, Table: "part", Columns: columns("delivery part id:text body:bytes uploads:text external_id:text sent_at")}
	updatePart      = &Change{Verb: Update, Table: "part", Keys: 2, Columns: columns("delivery part external_id:text sent_at")}
	keepReference   = &Change{Verb: Keep, Table: "reference", Keys: 2, Columns: columns("channel external_id:text conversation seq leg part erase answer:text")}
	putRoom         = &Change{Verb: Put, Table: "room", Keys: 2, Columns: columns("channel room:text status position:text changed_at")}
	insertOnce      = &Change{Verb: Insert, Table: "single_use", Columns: columns("kind:text key:text expires_at")}
	// putReader only moves forward, whatever was read or locked before.
	putReader = &Change{Verb: Put, Table: "reader", Keys: 2, Columns: columns("conversation reader:text seq confirmed_at expires_at"),
		Only: "excluded.seq > reader.seq"}
)

// Changes lists every change, for engines that prepare them.
func Changes() []*Change {
	return []*Change{
		insertChannel, insertContact, insertIdentity, updateIdentity, insertConversation, updateConversation, updateRecalled, insertLeg,
		insertEpisode, updateEpisode, insertEntry, updateEntry, insertRaw, deleteRaw, insertDedupe, updateDedupe,
		insertTurn, updateTurn, insertDelivery, updateDelivery, promoteDelivery, insertPart, updatePart, keepReference, putRoom,
		insertOnce, putReader,
	}
}

// The lookups of a batch. Columns are scanned in the order written here.
var (
	conversationKey = columns("v.key")

	lookupConversation = &Lookup{
		Name: "conversation", Lock: "v", Match: conversationKey,
		Select: `SELECT v.key, v.channel, v.leg, v.seq, v.visible_seq, v.episode, v.open_turns, v.push_legs, v.last_mark, v.last_at
			FROM conversation v`,
	}
	lookupEpisode = &Lookup{
		Name: "episode", Match: conversationKey,
		Select: "SELECT " + episodeColumns + ", e.collect, e.queued_at FROM conversation v JOIN episode e ON e.key = v.episode",
	}
	lookupTurns = &Lookup{
		Name: "turn", Match: columns("t.conversation"), Where: "t.status IN (1, 2)",
		Select: "SELECT " + turnColumns + ", t.owner, t.boot FROM turn t",
	}
	lookupPushLegs = &Lookup{
		Name: "leg", Match: columns("l.conversation"), Where: "l.mode = 2",
		Select: `SELECT l.key, l.conversation, l.episode, l.kind, l.mode, l.channel, l.place, l.thread FROM leg l`,
	}
	lookupDedupe = &Lookup{
		Name: "dedupe", Match: columns("v.key d.key:text"),
		Select: `SELECT d.channel, d.key, d.hash, d.conversation, d.seq, d.created_at, d.counts_until, d.reused, d.recent, d.expires_at
			FROM conversation v JOIN dedupe d ON d.channel = v.channel`,
	}
	lookupEntry = &Lookup{
		Name: "entry", Match: columns("e.conversation e.seq"),
		Select: "SELECT " + entryColumns + ", e.raw FROM entry e",
	}
	lookupEdits = &Lookup{
		Name: "edits", Match: columns("e.conversation e.target"), Where: "e.target > 0",
		Select: "SELECT " + entryColumns + ", e.raw FROM entry e",
	}
	lookupChannel = &Lookup{
		Name: "channel", Match: columns("h.id:text"),
		Select: `SELECT h.key, h.id FROM channel h`,
	}
	lookupIdentity = &Lookup{
		Name: "identity", Match: columns("h.id:text i.external_id:text"),
		Select: `SELECT h.id, i.channel, i.external_id, i.contact, c.id, i.verified, i.name
			FROM channel h JOIN identity i ON i.channel = h.key JOIN contact c ON c.key = i.contact`,
	}
	lookupPlace = &Lookup{
		Name: "place", Match: columns("h.id:text v.place:text"),
		Select: "SELECT " + conversationColumns + " FROM channel h JOIN conversation v ON v.channel = h.key JOIN contact c ON c.key = v.contact",
	}
	lookupOnce = &Lookup{
		Name: "single use", Match: columns("s.kind:text s.key:text"),
		Select: `SELECT s.kind, s.key FROM single_use s`,
	}
)

// The lookups of steps on deliveries.
var (
	// lookupDelivery locks: who ends the head of a leg sees afterwards, in
	// [lookupNext], what is behind it.
	lookupDelivery = &Lookup{
		Name: "delivery", Lock: "d", Match: columns("d.key"),
		Select: `SELECT d.key, d.conversation, d.seq, d.leg, d.channel, d.status, d.attempts, d.due_at, d.owner, d.boot, d.last_error, d.uncertain
			FROM delivery d`,
	}
	lookupNext = &Lookup{
		Name: "next delivery", Match: columns("d.key"),
		Select: `SELECT d.key, n.key, n.status FROM delivery d JOIN delivery n ON n.key = (SELECT o.key FROM delivery o
			WHERE o.channel = d.channel AND o.leg = d.leg AND o.status IN (1, 2, 3) AND o.key <> d.key ORDER BY o.seq LIMIT 1)`,
	}
	lookupParts = &Lookup{
		Name: "parts", Match: columns("p.delivery"),
		Select: `SELECT ` + partColumns + ` FROM part p`,
	}
	// lookupPart leaves the body where it is.
	lookupPart = &Lookup{
		Name: "part", Match: columns("p.delivery p.part"),
		Select: `SELECT p.delivery, p.part, p.external_id, p.sent_at FROM part p`,
	}
	// lookupBusy tells which legs have open deliveries, and how many of their
	// channels are claimed.
	lookupBusy = &Lookup{
		Name: "busy leg", Match: columns("l.key"),
		Select: `SELECT l.key, l.channel,
			CASE WHEN EXISTS (SELECT 1 FROM delivery o WHERE o.channel = l.channel AND o.leg = l.key AND o.status IN (1, 2, 3)) THEN 1 ELSE 0 END,
			(SELECT count(*) FROM delivery o WHERE o.channel = l.channel AND o.status = 2)
			FROM leg l`,
	}
)

// Lookups lists every lookup, for engines that prepare them.
func Lookups() []*Lookup {
	return []*Lookup{
		lookupConversation, lookupEpisode, lookupTurns, lookupPushLegs, lookupDedupe, lookupEntry, lookupEdits,
		lookupChannel, lookupIdentity, lookupPlace, lookupOnce,
		lookupDelivery, lookupNext, lookupParts, lookupPart, lookupBusy,
	}
}

// Columns that steps and queries read alike; the scan functions in rows.go
// follow their order.
const (
	conversationColumns = "v.key, v.id, h.id, v.place, v.contact, c.id, v.leg, v.seq, v.visible_seq, v.created_at, v.last_at"
	// episodeColumns read an open episode's last_at from its conversation: written
	// with every message, it would be one more page of the database each time.
	episodeColumns = `e.key, e.id, e.conversation, e.control, e.epoch, e.assistant, e.version, e.state, e.revision,
		e.queue, e.agent, e.outcome, e.opened_at, CASE WHEN e.closed_at = 0 THEN v.last_at ELSE e.last_at END, e.closed_at`
	entryColumns = `e.conversation, e.seq, e.visible_seq, e.episode, e.origin, e.author_kind, e.author_id,
		e.visibility, e.purpose, e.target, e.content, e.created_at, e.edited_at, e.deleted`
	turnColumns     = `t.key, t.conversation, t.episode, t.status, t.first_seq, t.last_seq, t.epoch, t.attempts, t.due_at, t.last_error, t.created_at`
	deliveryColumns = `d.key, d.conversation, d.seq, d.leg, g.id, d.status, d.attempts, d.due_at, d.last_error, d.created_at, d.ended_at`
	partColumns     = "p.delivery, p.part, p.id, p.body, p.external_id, p.sent_at"
)
