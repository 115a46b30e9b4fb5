-- A user's sessions of one epoch that were not ended: what their owner is shown and what the limit on their number counts,
-- found without a look at those that are over. A rotation changes none of these columns, so it costs a renewal nothing.

DROP INDEX sessions_by_user;

CREATE INDEX live_sessions_by_user ON sessions (user_id, epoch) WHERE ended_at IS NULL;
