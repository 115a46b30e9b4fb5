-- A renewal reads one row and writes it: a session's. It holds what a renewal must know of the user, and names its user agent by a
-- number. Both were other rows before, or made this one three times as long.

-- What clients call themselves, each text once.
CREATE TABLE user_agents (
    id       INTEGER NOT NULL PRIMARY KEY,
    text     TEXT    NOT NULL UNIQUE,          -- at most 120 bytes
    sessions INTEGER NOT NULL DEFAULT 0        -- how many name it: counted by triggers, and gone with the last
) STRICT;

INSERT INTO user_agents (text, sessions)
SELECT user_agent, count(*) FROM sessions WHERE user_agent IS NOT NULL GROUP BY user_agent;

CREATE TABLE narrow_sessions (
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
    user_agent          INTEGER,               -- of user_agents
    ip                  TEXT,
    transport           INTEGER NOT NULL DEFAULT 0 CHECK (transport IN (0, 1)),
    -- The user as they are, while they are enabled and of this epoch; all three NULL: ask users. A change of the user takes them
    -- away in its own statement, by a trigger, so that nobody can forget it; the next renewal writes them again.
    user_version        INTEGER,
    username            TEXT,
    roles               TEXT,
    CHECK ((username IS NULL) = (user_version IS NULL) AND (username IS NULL) = (roles IS NULL)),
    -- A row outlives its session, and sometimes its user: no name stays in it.
    CHECK (ended_at IS NULL OR username IS NULL)
) STRICT, WITHOUT ROWID;

INSERT INTO narrow_sessions
SELECT s.id, s.user_id, s.epoch, s.current_generation, s.parent_generation, s.rotated_at, s.created_at, s.idle_expires_at,
       s.absolute_expires_at, s.ended_at, s.end_reason, a.id, s.ip, s.transport, u.version, u.username, u.roles
FROM sessions s
LEFT JOIN users u ON u.id = s.user_id AND u.epoch = s.epoch AND u.disabled = 0 AND s.ended_at IS NULL
LEFT JOIN user_agents a ON a.text = s.user_agent
ORDER BY s.id;

DROP TABLE sessions;
ALTER TABLE narrow_sessions RENAME TO sessions;

CREATE INDEX live_sessions_by_user ON sessions (user_id, epoch) WHERE ended_at IS NULL;

-- Those of other epochs were emptied when theirs passed.
CREATE TRIGGER users_change AFTER UPDATE OF username, roles, disabled, epoch, version ON users
BEGIN
    UPDATE sessions SET user_version = NULL, username = NULL, roles = NULL
    WHERE user_id = OLD.id AND epoch = OLD.epoch AND ended_at IS NULL;
END;

CREATE TRIGGER users_go AFTER DELETE ON users
BEGIN
    UPDATE sessions SET user_version = NULL, username = NULL, roles = NULL
    WHERE user_id = OLD.id AND epoch = OLD.epoch AND ended_at IS NULL;
END;

CREATE TRIGGER user_agents_come AFTER INSERT ON sessions WHEN NEW.user_agent IS NOT NULL
BEGIN
    UPDATE user_agents SET sessions = sessions + 1 WHERE id = NEW.user_agent;
END;

CREATE TRIGGER user_agents_change AFTER UPDATE OF user_agent ON sessions WHEN NEW.user_agent IS NOT OLD.user_agent
BEGIN
    UPDATE user_agents SET sessions = sessions + 1 WHERE id = NEW.user_agent;
    UPDATE user_agents SET sessions = sessions - 1 WHERE id = OLD.user_agent;
    DELETE FROM user_agents WHERE id = OLD.user_agent AND sessions = 0;
END;

CREATE TRIGGER user_agents_go AFTER DELETE ON sessions WHEN OLD.user_agent IS NOT NULL
BEGIN
    UPDATE user_agents SET sessions = sessions - 1 WHERE id = OLD.user_agent;
    DELETE FROM user_agents WHERE id = OLD.user_agent AND sessions = 0;
END;
