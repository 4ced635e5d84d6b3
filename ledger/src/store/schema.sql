-- The ledger's store, layout 1. SPEC 11. Rows are added, never changed; the triggers are a guard against
-- accidents, verification is what tells.
CREATE TABLE entry (position INTEGER PRIMARY KEY, leaf BLOB NOT NULL) STRICT;
CREATE TABLE part (id INTEGER PRIMARY KEY, alg INTEGER NOT NULL, grp INTEGER NOT NULL, blob BLOB NOT NULL) STRICT;
CREATE TABLE head (size INTEGER PRIMARY KEY, sig BLOB NOT NULL) STRICT;
CREATE TABLE tile (level INTEGER NOT NULL, idx INTEGER NOT NULL, hash BLOB NOT NULL,
                   PRIMARY KEY (level, idx)) STRICT, WITHOUT ROWID;
CREATE TABLE ended (kind TEXT NOT NULL, id TEXT NOT NULL, state TEXT NOT NULL, position INTEGER NOT NULL,
                    digest BLOB NOT NULL, PRIMARY KEY (kind, id)) STRICT, WITHOUT ROWID;
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TRIGGER entry_is_not_changed BEFORE UPDATE ON entry BEGIN SELECT raise(ABORT, 'entries are never changed'); END;
CREATE TRIGGER entry_is_not_deleted BEFORE DELETE ON entry BEGIN SELECT raise(ABORT, 'entries are never deleted'); END;
CREATE TRIGGER head_is_not_changed BEFORE UPDATE ON head BEGIN SELECT raise(ABORT, 'heads are never changed'); END;
CREATE TRIGGER head_is_not_deleted BEFORE DELETE ON head BEGIN SELECT raise(ABORT, 'heads are never deleted'); END;
