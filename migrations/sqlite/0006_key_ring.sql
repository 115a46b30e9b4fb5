-- Whether keys of a key ring ever signed here. Without the ring, tokens under its keys would be called unknown, which is final;
-- so a start that does not find it is refused.

ALTER TABLE service ADD COLUMN key_ring_in_use INTEGER NOT NULL DEFAULT 0;
