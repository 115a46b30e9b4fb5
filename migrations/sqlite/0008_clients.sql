-- Clients with a secret: resource servers that ask what a token is worth. Made, rotated and deleted by the command line alone.

CREATE TABLE clients (
    id           TEXT    NOT NULL PRIMARY KEY, -- the client_id
    secret_hash  BLOB    NOT NULL,             -- SHA-256: the secret is 32 random bytes, not a password
    former_hash  BLOB,                         -- of the secret before it, after a rotation
    former_until INTEGER,                      -- until when that one is taken as well
    created_at   INTEGER NOT NULL,
    rotated_at   INTEGER
) STRICT, WITHOUT ROWID;
