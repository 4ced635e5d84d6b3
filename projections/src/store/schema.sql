CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
-- One row for each build of each view: entries folded, the address of the last of them, the newest head that lies
-- wholly within, the position that last changed a row, and entries that could not be folded.
CREATE TABLE cursor (
  view TEXT NOT NULL, version INTEGER NOT NULL, build INTEGER NOT NULL, live INTEGER NOT NULL,
  entries INTEGER NOT NULL, address TEXT NOT NULL, time INTEGER NOT NULL,
  head_size INTEGER NOT NULL, head_root TEXT NOT NULL,
  changed INTEGER NOT NULL, skipped INTEGER NOT NULL,
  PRIMARY KEY (view, version, build)
) STRICT, WITHOUT ROWID;
