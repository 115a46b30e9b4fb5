-- Whether keys of a key ring ever signed here, and when the newest ring that was in use came to be (milliseconds since 1970; 0: it
-- did not say). Without the ring, tokens under its keys would be called unknown, which is final, and so would those of keys that an
-- older ring lacks; so a start that finds no ring, or an older one, is refused.

ALTER TABLE service ADD COLUMN key_ring_in_use INTEGER NOT NULL DEFAULT 0;
ALTER TABLE service ADD COLUMN key_ring_changed_at INTEGER NOT NULL DEFAULT 0;
