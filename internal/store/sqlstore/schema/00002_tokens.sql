-- serves: 1

-- What programs show to the admin API. Rows of revoked tokens stay, so that an
-- id in the audit still has a name.
CREATE TABLE token (
    key INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    name TEXT COLLATE_C NOT NULL,
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
