-- ACCESS_TOKEN_TTL may be lowered and raised again, and endings must be kept for as long as any access token may be alive that
-- would count then. All in milliseconds.

-- How long the process that last started here keeps endings, by its own setting.
ALTER TABLE service ADD COLUMN endings_kept_for INTEGER;
-- A longer time by an earlier setting, under which tokens may be alive until then.
ALTER TABLE service ADD COLUMN longer_kept_for INTEGER;
ALTER TABLE service ADD COLUMN longer_until INTEGER;
