-- How a session's client is given its refresh tokens: 0 in the bodies of answers, 1 in a cookie, which a page's script cannot read.
-- Chosen at the login and never changed. Sessions from before have theirs in bodies. A renewal neither reads nor writes it.

ALTER TABLE sessions ADD COLUMN transport INTEGER NOT NULL DEFAULT 0 CHECK (transport IN (0, 1));
