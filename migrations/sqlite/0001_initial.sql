-- Users, sessions, endings and the service's own memory of time.
-- Times are integer milliseconds since 1970-01-01T00:00:00Z; ids are the 16 bytes of a UUIDv7.

CREATE TABLE users (
    id            BLOB    NOT NULL PRIMARY KEY,
    username      TEXT    NOT NULL,            -- as registered
    username_key  TEXT    NOT NULL UNIQUE,     -- lower case: names are unique without regard to case
    password_hash TEXT    NOT NULL,
    roles         TEXT    NOT NULL,            -- comma-separated
    disabled      INTEGER NOT NULL DEFAULT 0,
    epoch         INTEGER NOT NULL DEFAULT 1,  -- sessions opened under another one are over
    version       INTEGER NOT NULL DEFAULT 1,  -- access tokens with an older one are refused
    created_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- One row per session, never one per token. No foreign key to users: it would forbid the deletion of a user or hide
-- why the session ended.
CREATE TABLE sessions (
    id                  BLOB    NOT NULL PRIMARY KEY,
    user_id             BLOB    NOT NULL,
    epoch               INTEGER NOT NULL,      -- of the user when the session was opened
    current_generation  INTEGER NOT NULL,
    parent_generation   INTEGER NOT NULL,      -- 0: never rotated
    rotated_at          INTEGER,
    created_at          INTEGER NOT NULL,
    idle_expires_at     INTEGER NOT NULL,
    absolute_expires_at INTEGER NOT NULL,
    ended_at            INTEGER,
    end_reason          TEXT,
    user_agent          TEXT,                  -- at most 120 bytes
    ip                  TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX sessions_by_user ON sessions (user_id);

-- What access tokens must not outlive: mirrored in memory, kept for one access-token lifetime.
CREATE TABLE revocations (
    kind        INTEGER NOT NULL,              -- 1: a session, 2: a user's versions below least_version
    id          BLOB    NOT NULL,
    least_version INTEGER NOT NULL,            -- 0 for a session
    at          INTEGER NOT NULL,
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX revocations_by_time ON revocations (at);

-- One row: what the next process must know of this one's grace windows, because time in which the service was down does
-- not count against them. last_alive_at: the newest time at which it is known to have run. open_after: of rotations
-- after this moment the windows were open then.
CREATE TABLE service (
    only_row      INTEGER NOT NULL PRIMARY KEY CHECK (only_row = 1),
    last_alive_at INTEGER,
    open_after    INTEGER
) STRICT;

INSERT INTO service (only_row) VALUES (1);
