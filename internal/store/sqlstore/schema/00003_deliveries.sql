-- serves: 1

-- Status 3 of a delivery: waiting behind another one of its leg.

-- Set when parts without sent_at may have arrived.
ALTER TABLE delivery ADD COLUMN uncertain BIGINT NOT NULL DEFAULT 0;

-- What an endpoint has to do next, however much waits for it. The oldest open
-- delivery is one of these, too.
CREATE INDEX delivery_due ON delivery (channel, due_at, key, created_at) WHERE status = 1;
CREATE INDEX delivery_claimed ON delivery (channel, leg, key) WHERE status = 2;
CREATE INDEX delivery_failed ON delivery (channel, key) WHERE status = 5;

CREATE TABLE alert (
    name TEXT COLLATE_C NOT NULL PRIMARY KEY,
    text TEXT NOT NULL,
    raised_at BIGINT NOT NULL,
    -- 0 while it holds.
    cleared_at BIGINT NOT NULL,
    count BIGINT NOT NULL
) WITHOUT ROWID;
