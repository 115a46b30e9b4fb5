-- The accounts that can administer the service: whoever takes one of them away asks whether another is left, and must not
-- have to look at everybody for it.

CREATE INDEX enabled_admins ON users (id) WHERE disabled = 0 AND instr(',' || roles || ',', ',admin,') > 0;
