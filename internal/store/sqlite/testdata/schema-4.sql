CREATE TABLE goose_db_version (
		id INTEGER PRIMARY KEY AUTOINCREMENT,
		version_id INTEGER NOT NULL,
		is_applied INTEGER NOT NULL,
		tstamp TIMESTAMP DEFAULT (datetime('now'))
	);
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
    external_id TEXT NOT NULL,
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
    place TEXT NOT NULL,
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
);
CREATE TABLE leg (
    key INTEGER PRIMARY KEY,
    conversation BIGINT NOT NULL REFERENCES conversation (key),
    episode BIGINT NOT NULL,
    kind BIGINT NOT NULL,
    mode BIGINT NOT NULL,
    channel BIGINT NOT NULL REFERENCES channel (key),
    place TEXT NOT NULL,
    thread TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX leg_conversation ON leg (conversation);
CREATE INDEX leg_place ON leg (channel, place);
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
);
CREATE INDEX episode_conversation ON episode (conversation, key);
CREATE UNIQUE INDEX episode_open ON episode (conversation) WHERE closed_at = 0;
CREATE INDEX episode_queue ON episode (queue, queued_at) WHERE control = 2;
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
CREATE INDEX raw_expires ON raw (expires_at);
CREATE TABLE dedupe (
    channel BIGINT NOT NULL,
    key TEXT NOT NULL,
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
CREATE INDEX dedupe_expires ON dedupe (expires_at);
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
    ended_at BIGINT NOT NULL, uncertain BIGINT NOT NULL DEFAULT 0,
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
    external_id TEXT NOT NULL,
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
CREATE TABLE reader (
    conversation BIGINT NOT NULL,
    reader TEXT NOT NULL,
    seq BIGINT NOT NULL,
    confirmed_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (conversation, reader)
) WITHOUT ROWID;
CREATE INDEX reader_expires ON reader (expires_at);
CREATE TABLE room (
    channel BIGINT NOT NULL REFERENCES channel (key),
    room TEXT NOT NULL,
    status BIGINT NOT NULL,
    position TEXT NOT NULL,
    changed_at BIGINT NOT NULL,
    PRIMARY KEY (channel, room)
) WITHOUT ROWID;
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
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
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
CREATE TABLE audit (
    key INTEGER PRIMARY KEY,
    at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    verb TEXT NOT NULL,
    subject TEXT NOT NULL,
    note TEXT NOT NULL
);
CREATE INDEX audit_at ON audit (at);
CREATE TABLE token (
    key INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    -- SHA-256 of the token, which is random and long.
    hash BLOB NOT NULL UNIQUE,
    -- Words with blanks between them.
    scopes TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    last_used_at BIGINT NOT NULL,
    revoked_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX token_name ON token (name) WHERE revoked_at = 0;
CREATE INDEX delivery_due ON delivery (channel, due_at, key, created_at) WHERE status = 1;
CREATE INDEX delivery_claimed ON delivery (channel, leg, key) WHERE status = 2;
CREATE INDEX delivery_failed ON delivery (channel, key) WHERE status = 5;
CREATE TABLE alert (
    name TEXT NOT NULL PRIMARY KEY,
    text TEXT NOT NULL,
    raised_at BIGINT NOT NULL,
    -- 0 while it holds.
    cleared_at BIGINT NOT NULL,
    count BIGINT NOT NULL
) WITHOUT ROWID;
CREATE INDEX delivery_ended ON delivery (status, ended_at) WHERE status IN (4, 5, 6);
INSERT INTO goose_db_version (id, version_id, is_applied, tstamp) VALUES (1, 0, 1, '2026-11-21 09:58:07');
INSERT INTO goose_db_version (id, version_id, is_applied, tstamp) VALUES (2, 1, 1, '2026-11-21 09:58:07');
INSERT INTO goose_db_version (id, version_id, is_applied, tstamp) VALUES (3, 2, 1, '2026-11-21 09:58:07');
INSERT INTO goose_db_version (id, version_id, is_applied, tstamp) VALUES (4, 3, 1, '2026-11-21 09:58:07');
INSERT INTO goose_db_version (id, version_id, is_applied, tstamp) VALUES (5, 4, 1, '2026-11-21 09:58:07');
INSERT INTO migration (version, name, checksum, serves) VALUES (1, '00001_first.sql', 'a509d0b8339dd92a7fd04159d5f6d5f56f7fc5bbe3abd09edb2bf8eee9a4b51e', 1);
INSERT INTO migration (version, name, checksum, serves) VALUES (2, '00002_tokens.sql', '23d8fce44151ee58d8cc839d2f67d320ba0b221fc1e852adfcd1a5b2f001f886', 1);
INSERT INTO migration (version, name, checksum, serves) VALUES (3, '00003_deliveries.sql', '0112a7db41813b56a84c3368fb3b3869bc61164b75b725d330e236bc27807a74', 1);
INSERT INTO migration (version, name, checksum, serves) VALUES (4, '00004_ended_deliveries.sql', '4fb93e81f1f36fe61e228c8e666694457dbbcd933bc668dd8db1e45f98bb814a', 1);
INSERT INTO meta (name, value) VALUES ('canary', X'00FF');
INSERT INTO sequence (name, next) VALUES ('key', 1000);
INSERT INTO channel (key, id, type) VALUES (1, 'st-a', 'rtm');
INSERT INTO channel (key, id, type) VALUES (2, 'mm-1', 'mattermost');
INSERT INTO contact (key, id, name, created_at) VALUES (3, 'ct-1', 'Mia', 1700000000000);
INSERT INTO identity (channel, external_id, contact, verified, name, created_at) VALUES (1, 'user-1', 3, 1, 'Mia', 1700000000000);
INSERT INTO conversation (key, id, channel, place, contact, leg, seq, visible_seq, episode, open_turns, push_legs, last_mark, created_at, last_at) VALUES (4, 'cv-1', 1, 'place-1', 3, 5, 4, 2, 7, 1, 0, 'welcome', 1700000000000, 1700000004000);
INSERT INTO leg (key, conversation, episode, kind, mode, channel, place, thread, created_at) VALUES (5, 4, 0, 1, 1, 1, 'place-1', '', 1700000000000);
INSERT INTO leg (key, conversation, episode, kind, mode, channel, place, thread, created_at) VALUES (6, 4, 7, 2, 2, 2, 'room-1', 'root-1', 1700000000000);
INSERT INTO episode (key, id, conversation, control, epoch, assistant, version, collect, state, revision, queue, queued_at, skills, tags, agent, outcome, opened_at, last_at, closed_at) VALUES (7, 'ep-1', 4, 1, 1, 'front-desk', 3, 0, X'7B7D', 2, '', 0, '[]', '[]', '', '', 1700000000000, 1700000004000, 0);
INSERT INTO entry (conversation, seq, visible_seq, episode, origin, author_kind, author_id, visibility, purpose, target, content, created_at, edited_at, deleted, turn, raw) VALUES (4, 1, 1, 7, 5, 1, 'ct-1', 1, 1, 0, '{"v":1,"type":"text","text":"changed"}', 1700000001000, 1700000003000, 0, 8, 9);
INSERT INTO entry (conversation, seq, visible_seq, episode, origin, author_kind, author_id, visibility, purpose, target, content, created_at, edited_at, deleted, turn, raw) VALUES (4, 2, 2, 7, 0, 2, 'front-desk', 1, 1, 0, '{"v":1,"type":"text","text":"welcome","mark":"welcome"}', 1700000002000, 0, 0, 8, 0);
INSERT INTO entry (conversation, seq, visible_seq, episode, origin, author_kind, author_id, visibility, purpose, target, content, created_at, edited_at, deleted, turn, raw) VALUES (4, 3, 2, 7, 5, 1, 'ct-1', 1, 2, 1, '{"v":1,"type":"text","text":"changed"}', 1700000003000, 0, 0, 0, 0);
INSERT INTO entry (conversation, seq, visible_seq, episode, origin, author_kind, author_id, visibility, purpose, target, content, created_at, edited_at, deleted, turn, raw) VALUES (4, 4, 2, 7, 0, 3, 'ag-1', 2, 1, 0, '{"v":1,"type":"text","text":"note"}', 1700000004000, 0, 0, 0, 0);
INSERT INTO raw (key, conversation, seq, body, expires_at) VALUES (9, 4, 1, X'000102FF', 4000000000000);
INSERT INTO dedupe (channel, key, hash, conversation, seq, created_at, counts_until, reused, recent, expires_at) VALUES (1, 'user-1:17', X'AABB', 4, 1, 1700000001000, 4000000000000, 0, NULL, 4000000000000);
INSERT INTO turn (key, conversation, episode, status, first_seq, last_seq, epoch, attempts, due_at, owner, boot, last_error, created_at, ended_at) VALUES (8, 4, 7, 3, 1, 1, 1, 0, 0, '', 0, '', 1700000001000, 1700000002000);
INSERT INTO turn (key, conversation, episode, status, first_seq, last_seq, epoch, attempts, due_at, owner, boot, last_error, created_at, ended_at) VALUES (10, 4, 7, 1, 3, 3, 1, 2, 1700000009000, '', 0, 'model was down', 1700000003000, 0);
INSERT INTO delivery (key, conversation, seq, leg, channel, status, attempts, due_at, owner, boot, last_error, created_at, ended_at, uncertain) VALUES (11, 4, 2, 6, 2, 1, 0, 1700000002000, '', 0, '', 1700000002000, 0, 1);
INSERT INTO delivery (key, conversation, seq, leg, channel, status, attempts, due_at, owner, boot, last_error, created_at, ended_at, uncertain) VALUES (16, 4, 4, 6, 2, 3, 0, 1700000004000, '', 0, '', 1700000004000, 0, 0);
INSERT INTO part (delivery, part, id, body, uploads, external_id, sent_at) VALUES (11, 1, 'pt-1', X'68656C6C6F', '[]', 'post-1', 1700000002500);
INSERT INTO reference (channel, external_id, conversation, seq, leg, part, erase, answer) VALUES (2, 'post-1', 4, 2, 6, 1, 0, '');
INSERT INTO reader (conversation, reader, seq, confirmed_at, expires_at) VALUES (4, 'token-1', 2, 1700000005000, 4000000000000);
INSERT INTO room (channel, room, status, position, changed_at) VALUES (2, 'room-1', 1, 'post-1', 1700000005000);
INSERT INTO node (id, boot, expires_at) VALUES ('node-1', 4, 1700000015000);
INSERT INTO link (account, owner, boot, claimed_at) VALUES ('relay', 'node-1', 4, 1700000005000);
INSERT INTO timer (key, kind, subject, conversation, due_at, epoch, owner, boot, data) VALUES (12, 'remind', 'ep-1', 4, 1700009999000, 1, '', 0, NULL);
INSERT INTO single_use (kind, key, expires_at) VALUES ('rtm-sid', 'v1', 4000000000000);
INSERT INTO file (key, id, conversation, status, owner, source, name, type, size, sha256, last_error, created_at, expires_at) VALUES (13, 'fl-1', 4, 2, 'ct-1', '', 'a.png', 'image/png', 3, 'abc', '', 1700000001000, 0);
INSERT INTO revision (revision, actor, note, created_at) VALUES (1, 'owner', 'first', 1700000000000);
INSERT INTO item (kind, name, version, published, deleted, body, revision, created_at) VALUES ('assistant', 'front-desk', 1, 1, 0, X'7B7D', 1, 1700000000000);
INSERT INTO secret (id, sealed, changed_at) VALUES ('secret-1', X'0708', 1700000000000);
INSERT INTO audit (key, at, actor, verb, subject, note) VALUES (14, 1700000000000, 'owner', 'catalog.put', 'revision 1', 'first');
INSERT INTO token (key, id, name, hash, scopes, created_at, expires_at, last_used_at, revoked_at) VALUES (15, 'tk-1', 'ci', X'00FF', 'catalog:read deliveries:read', 1700000000000, 0, 1700000001000, 0);
INSERT INTO alert (name, text, raised_at, cleared_at, count) VALUES ('link:relay', 'down', 1700000000000, 0, 2);
