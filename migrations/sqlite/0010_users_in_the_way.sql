-- A copy of the user goes in every way in which a row of users can come to be another, be replaced or be renumbered, also by whoever
-- writes it with another program. REPLACE removes the rows that are in its way without a DELETE trigger.

DROP TRIGGER users_change;

-- Those of other epochs were emptied when theirs passed. What has no copy is not written again.
CREATE TRIGGER users_change AFTER UPDATE OF id, username, roles, disabled, epoch, version ON users
BEGIN
    UPDATE sessions SET user_version = NULL, username = NULL, roles = NULL
    WHERE user_id = OLD.id AND epoch = OLD.epoch AND ended_at IS NULL AND username IS NOT NULL;
END;

-- Before: only then are the rows still there that a REPLACE removes. Also where the statement then does nothing: to fire it for a
-- name that is taken would cost its owner the copies, so the service asks for the name in the same statement.
CREATE TRIGGER users_come BEFORE INSERT ON users
BEGIN
    UPDATE sessions SET user_version = NULL, username = NULL, roles = NULL
    WHERE (user_id, epoch) IN (SELECT id, epoch FROM users WHERE id = NEW.id OR username_key = NEW.username_key)
      AND ended_at IS NULL AND username IS NOT NULL;
END;

CREATE TRIGGER users_move BEFORE UPDATE OF id, username_key ON users
BEGIN
    UPDATE sessions SET user_version = NULL, username = NULL, roles = NULL
    WHERE (user_id, epoch) IN (SELECT id, epoch FROM users WHERE id = NEW.id OR username_key = NEW.username_key)
      AND ended_at IS NULL AND username IS NOT NULL;
END;

-- What was left behind while only the first triggers were here. A look at each copy, and a write where it is wrong.
UPDATE sessions SET user_version = NULL, username = NULL, roles = NULL
WHERE username IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM users u
                  WHERE u.id = sessions.user_id AND u.epoch = sessions.epoch AND u.disabled = 0
                    AND u.version = sessions.user_version AND u.username = sessions.username AND u.roles = sessions.roles);
