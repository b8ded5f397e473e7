-- serves: 1

-- The text is SQLite's; for PostgreSQL a few words are replaced (dialect.go).
-- Keys are made by the writer from blocks of "sequence". Times are
-- milliseconds since 1970 UTC. There are no NULLs outside of binary columns:
-- 0 and '' mean "none". Codes of enumerations stand in codes.go.
-- Tables written with every message carry no foreign keys: the writer holds
-- the conversation's row while it writes them.

CREATE TABLE migration (
    version BIGINT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    checksum TEXT NOT NULL,
    -- The oldest schema version whose binaries can work with this one.
    serves BIGINT NOT NULL
);

CREATE TABLE meta (
    name TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL
);

CREATE TABLE sequence (
    name TEXT NOT NULL PRIMARY KEY,
    next BIGINT NOT NULL
);
INSERT INTO sequence (name, next) VALUES ('key', 1);

-- Who writes, and where.

CREATE TABLE channel (
    key INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    type TEXT NOT NULL
);

CREATE TABLE contact (
    key INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE identity (
    channel BIGINT NOT NULL REFERENCES channel (key),
    external_id TEXT COLLATE_C NOT NULL,
    contact BIGINT NOT NULL REFERENCES contact (key),
    verified BIGINT NOT NULL,
    name TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (channel, external_id)
) WITHOUT ROWID;
CREATE INDEX identity_contact ON identity (contact, channel);

CREATE TABLE conversation (
    key INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    channel BIGINT NOT NULL REFERENCES channel (key),
    place TEXT COLLATE_C NOT NULL,
    contact BIGINT NOT NULL REFERENCES contact (key),
    leg BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    visible_seq BIGINT NOT NULL,
    -- The newest episode.
    episode BIGINT NOT NULL,
    open_turns BIGINT NOT NULL,
    push_legs BIGINT NOT NULL,
    -- The mark of the newest entry the contact sees.
    last_mark TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    UNIQUE (channel, place)
) HOT_ROWS;

CREATE TABLE leg (
    key INTEGER PRIMARY KEY,
    conversation BIGINT NOT NULL REFERENCES conversation (key),
    episode BIGINT NOT NULL,
    kind BIGINT NOT NULL,
    mode BIGINT NOT NULL,
    channel BIGINT NOT NULL REFERENCES channel (key),
    place TEXT COLLATE_C NOT NULL,
    thread TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX leg_conversation ON leg (conversation);
CREATE INDEX leg_place ON leg (channel, place);

-- What is said.

CREATE TABLE episode (
    key INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    conversation BIGINT NOT NULL,
    control BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    assistant TEXT NOT NULL,
    version BIGINT NOT NULL,
    -- Whether entries that arrive during a turn share the next one.
    collect BIGINT NOT NULL,
    state BLOB,
    revision BIGINT NOT NULL,
    queue TEXT NOT NULL,
    -- When it entered the queue.
    queued_at BIGINT NOT NULL,
    -- JSON arrays of words.
    skills TEXT NOT NULL,
    tags TEXT NOT NULL,
    agent TEXT NOT NULL,
    outcome TEXT NOT NULL,
    opened_at BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    closed_at BIGINT NOT NULL
) HOT_ROWS;
CREATE INDEX episode_conversation ON episode (conversation, key);
CREATE UNIQUE INDEX episode_open ON episode (conversation) WHERE closed_at = 0;
CREATE INDEX episode_queue ON episode (queue, queued_at) WHERE control = 2;

-- Rows are appended and found by one index: on a busy SQLite every further
-- page that a message touches costs a tenth of the speed.
CREATE TABLE entry (
    conversation BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    -- How many entries the contact sees up to here, this one included. It
    -- grows with seq, so that the place of a visible entry is found by a
    -- binary search.
    visible_seq BIGINT NOT NULL,
    episode BIGINT NOT NULL,
    origin BIGINT NOT NULL,
    author_kind BIGINT NOT NULL,
    author_id TEXT NOT NULL,
    visibility BIGINT NOT NULL,
    purpose BIGINT NOT NULL,
    target BIGINT NOT NULL,
    content TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    edited_at BIGINT NOT NULL,
    deleted BIGINT NOT NULL,
    -- The turn the entry belongs to, as question or as answer.
    turn BIGINT NOT NULL,
    -- The row of its raw input.
    raw BIGINT NOT NULL,
    PRIMARY KEY (conversation, seq)
);
CREATE INDEX entry_target ON entry (conversation, target) WHERE target > 0;

CREATE TABLE raw (
    key INTEGER PRIMARY KEY,
    conversation BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    body BLOB NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX raw_expires ON raw TIME_ORDER (expires_at);

-- One row per key; "recent" holds the other contents of a key that an
-- integration uses for different contents.
CREATE TABLE dedupe (
    channel BIGINT NOT NULL,
    key TEXT COLLATE_C NOT NULL,
    hash BLOB,
    conversation BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    -- Until when a repeat is recognised.
    counts_until BIGINT NOT NULL,
    reused BIGINT NOT NULL,
    recent BLOB,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (channel, key)
) WITHOUT ROWID;
CREATE INDEX dedupe_expires ON dedupe TIME_ORDER (expires_at);

CREATE TABLE turn (
    key INTEGER PRIMARY KEY,
    conversation BIGINT NOT NULL,
    episode BIGINT NOT NULL,
    status BIGINT NOT NULL,
    first_seq BIGINT NOT NULL,
    last_seq BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    -- 0 for a first attempt: it is due whatever the clock says.
    due_at BIGINT NOT NULL,
    owner TEXT NOT NULL,
    boot BIGINT NOT NULL,
    last_error TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    ended_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX turn_open ON turn (conversation, first_seq) WHERE status IN (1, 2);
CREATE INDEX turn_failed ON turn (key) WHERE status = 4;

-- What has to leave.

CREATE TABLE delivery (
    key INTEGER PRIMARY KEY,
    conversation BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    leg BIGINT NOT NULL,
    channel BIGINT NOT NULL,
    status BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    owner TEXT NOT NULL,
    boot BIGINT NOT NULL,
    last_error TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    ended_at BIGINT NOT NULL,
    UNIQUE (leg, conversation, seq)
);
CREATE INDEX delivery_open ON delivery (channel, leg, seq) WHERE status IN (1, 2, 3);
CREATE INDEX delivery_entry ON delivery (conversation, seq);

CREATE TABLE part (
    delivery BIGINT NOT NULL REFERENCES delivery (key),
    part BIGINT NOT NULL,
    id TEXT NOT NULL UNIQUE,
    body BLOB NOT NULL,
    -- JSON array of file ids uploaded for the part.
    uploads TEXT NOT NULL,
    external_id TEXT NOT NULL,
    sent_at BIGINT NOT NULL,
    PRIMARY KEY (delivery, part)
) WITHOUT ROWID;

CREATE TABLE reference (
    channel BIGINT NOT NULL REFERENCES channel (key),
    external_id TEXT COLLATE_C NOT NULL,
    conversation BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    leg BIGINT NOT NULL,
    part BIGINT NOT NULL,
    -- Whether the far side has to forget it, and what it said.
    erase BIGINT NOT NULL,
    answer TEXT NOT NULL,
    PRIMARY KEY (channel, external_id)
) WITHOUT ROWID;
CREATE INDEX reference_entry ON reference (conversation, seq);
CREATE INDEX reference_erase ON reference (channel) WHERE erase > 0;

-- How far a reader of a feed leg has read.
CREATE TABLE reader (
    conversation BIGINT NOT NULL,
    reader TEXT COLLATE_C NOT NULL,
    seq BIGINT NOT NULL,
    confirmed_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (conversation, reader)
) WITHOUT ROWID;
CREATE INDEX reader_expires ON reader (expires_at);

-- How far a room of a link was read.
CREATE TABLE room (
    channel BIGINT NOT NULL REFERENCES channel (key),
    room TEXT COLLATE_C NOT NULL,
    status BIGINT NOT NULL,
    position TEXT NOT NULL,
    changed_at BIGINT NOT NULL,
    PRIMARY KEY (channel, room)
) WITHOUT ROWID;

-- Who does the work, and when.

CREATE TABLE node (
    id TEXT NOT NULL PRIMARY KEY,
    boot BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE TABLE link (
    account TEXT NOT NULL PRIMARY KEY,
    owner TEXT NOT NULL,
    boot BIGINT NOT NULL,
    claimed_at BIGINT NOT NULL
);

CREATE TABLE timer (
    key INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    conversation BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    owner TEXT NOT NULL,
    boot BIGINT NOT NULL,
    data BLOB
);
CREATE INDEX timer_due ON timer (due_at);
CREATE INDEX timer_subject ON timer (kind, subject);

CREATE TABLE single_use (
    kind TEXT COLLATE_C NOT NULL,
    key TEXT COLLATE_C NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (kind, key)
) WITHOUT ROWID;
CREATE INDEX single_use_expires ON single_use (expires_at);

CREATE TABLE file (
    key INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    conversation BIGINT NOT NULL,
    status BIGINT NOT NULL,
    owner TEXT NOT NULL,
    source TEXT NOT NULL,
    name TEXT NOT NULL,
    type TEXT NOT NULL,
    size BIGINT NOT NULL,
    sha256 TEXT NOT NULL,
    last_error TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX file_conversation ON file (conversation);
CREATE INDEX file_expires ON file (expires_at);

-- What the owner configured.

CREATE TABLE revision (
    revision BIGINT NOT NULL PRIMARY KEY,
    actor TEXT NOT NULL,
    note TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE item (
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    version BIGINT NOT NULL,
    published BIGINT NOT NULL,
    deleted BIGINT NOT NULL,
    body BLOB NOT NULL,
    revision BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (kind, name, version)
);
CREATE UNIQUE INDEX item_published ON item (kind, name) WHERE published = 1;

CREATE TABLE secret (
    id TEXT NOT NULL PRIMARY KEY,
    sealed BLOB NOT NULL,
    changed_at BIGINT NOT NULL
);

-- Ids and verbs only.
CREATE TABLE audit (
    key INTEGER PRIMARY KEY,
    at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    verb TEXT NOT NULL,
    subject TEXT NOT NULL,
    note TEXT NOT NULL
);
CREATE INDEX audit_at ON audit (at);
