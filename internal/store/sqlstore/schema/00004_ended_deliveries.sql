-- serves: 1

-- What ended long ago is swept: by how it ended, the oldest first.
CREATE INDEX delivery_ended ON delivery (status, ended_at) WHERE status IN (4, 5, 6);
