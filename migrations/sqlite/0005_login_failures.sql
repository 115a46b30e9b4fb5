-- Failed logins, counted, and the addresses that accounts were logged in to from.
-- Keys are 16 bytes of a MAC under a key that is not in here: no name and no address can be read back.

CREATE TABLE login_failures (
    key       BLOB    NOT NULL PRIMARY KEY,    -- of an account, an address, or one from the other
    failures  INTEGER NOT NULL,                -- of this window, those that are reserved included
    opened_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What is over, for the sweeper and for whoever needs room.
CREATE INDEX login_failures_by_time ON login_failures (opened_at);
-- What counts least, where nothing is over.
CREATE INDEX login_failures_by_number ON login_failures (failures, opened_at);

-- How many rows there are: to count a hundred thousand takes the time of many logins.
CREATE TABLE login_failure_rows (
    only_row INTEGER NOT NULL PRIMARY KEY CHECK (only_row = 1),
    number   INTEGER NOT NULL
) STRICT;

INSERT INTO login_failure_rows (only_row, number) VALUES (1, 0);

CREATE TRIGGER login_failures_come AFTER INSERT ON login_failures
BEGIN UPDATE login_failure_rows SET number = number + 1; END;

CREATE TRIGGER login_failures_go AFTER DELETE ON login_failures
BEGIN UPDATE login_failure_rows SET number = number - 1; END;

CREATE TABLE known_addresses (
    user_id BLOB    NOT NULL,
    address BLOB    NOT NULL,                  -- a key, as above
    seen_at INTEGER NOT NULL,                  -- of the last login from there
    PRIMARY KEY (user_id, address)
) STRICT, WITHOUT ROWID;

CREATE INDEX known_addresses_by_time ON known_addresses (seen_at);

-- Whoever deletes an account, in whichever way, deletes these with it.
CREATE TRIGGER known_addresses_go AFTER DELETE ON users
BEGIN DELETE FROM known_addresses WHERE user_id = OLD.id; END;
