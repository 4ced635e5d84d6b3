#!/usr/bin/env python3
"""How many events per second does the Python package `eventsourcing` make durable in SQLite?

pip install eventsourcing
python3 benches/eventsourcing.py --on DIR
"""

import argparse
import json
import os
import sqlite3
import statistics
import sys
import tempfile
import time
from importlib.metadata import version

# This file has the name of the package that it imports.
sys.path[:] = [path for path in sys.path if os.path.abspath(path or ".") != os.path.dirname(os.path.abspath(__file__))]

try:
    from eventsourcing import sqlite  # noqa: E402
    from eventsourcing.application import Application  # noqa: E402
    from eventsourcing.domain import Aggregate, event  # noqa: E402
except ImportError as error:
    sys.exit(f"{error}: `pip install eventsourcing`")

BATCHES = (1, 64, 1024)


class DurablePool(sqlite.SQLiteConnectionPool):
    """The package's pool sets WAL only; a connection's default for synchronous is the library's."""

    def _create_connection(self):
        connection = super()._create_connection()
        connection._sqlite_conn.execute("PRAGMA synchronous = FULL")
        found = [connection._sqlite_conn.execute(f"PRAGMA {name}").fetchone()[0]
                 for name in ("synchronous", "journal_mode")]
        if found != [2, "wal"]:
            raise SystemExit("the store did not take its settings")
        return connection


class Host(Aggregate):
    """An aggregate that records what it is told."""

    @event("Told")
    def __init__(self, told):
        self.seen = 1

    @event("ToldAgain")
    def tell(self, told):
        self.seen += 1


def nth(n):
    """The same event as the other candidates keep, in the members that are not the package's own."""
    mixed = (n + 1) * 0x9E3779B97F4A7C15 % 2**64
    return {
        "type": "host_key.observe", "scope": "/acme", "entity": f"ssh-ed25519:host-{n % 1000}.example:22",
        "actor": "otto", "at": f"2026-01-01T00:{n // 60000 % 60:02}:{n // 1000 % 60:02}.{n % 1000:03}Z",
        "key": f"{mixed:032x}", "fingerprint": f"SHA256:{mixed:043x}", "source": "known_hosts",
        "outcome": "recorded",
        "note": "seen on the first connection of the morning, compared with the record of the month before",
    }


def commit(application, events):
    """One new aggregate with these events, saved at once: one transaction. Gives its time in nanoseconds."""
    start = time.perf_counter_ns()
    host = Host(told=events[0])
    for told in events[1:]:
        host.tell(told=told)
    application.save(host)
    return time.perf_counter_ns() - start


def rate(directory, batch, count):
    """Events per second; events are made before the clock starts, and one commit goes before the first clocked."""
    store = os.path.join(directory, f"{batch}.db")
    environment = {"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": store}
    application = Application(env=environment)
    if not isinstance(application.recorder.datastore.pool, DurablePool):
        raise SystemExit("the store did not take its settings")
    commit(application, [nth(n) for n in range(batch)])
    done = spent = 0
    while done < count:
        size = min(batch, count - done)
        spent += commit(application, [nth(batch + done + n) for n in range(size)])
        done += size
    application.close()
    return count * 10**9 // max(spent, 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--on", default=tempfile.gettempdir(), help="directory on the disk that counts")
    parser.add_argument("--entries", type=int, default=100_000, help="as in `chancery bench append --entries`")
    parser.add_argument("--rounds", type=int, default=5, help="rounds, of which the median counts")
    parser.add_argument("--json", action="store_true", help="figures in the form of `chancery bench --json`")
    parser.add_argument("--smoke", action="store_true", help="a few commits: does it run?")
    parser.add_argument("--conditions", action="store_true", help="print the conditions and end")
    args = parser.parse_args()
    if args.smoke:
        args.entries, args.rounds = 30, 1
    conditions = (f"eventsourcing {version('eventsourcing')}, Python {sys.version.split()[0]}, "
                  f"SQLite {sqlite3.sqlite_version}, WAL, synchronous=FULL; one new aggregate a commit")
    if args.conditions:
        print(conditions)
        return
    # The package has no setting for it: its store makes its pool by this name.
    sqlite.SQLiteConnectionPool = DurablePool
    counts = {1: min(args.entries, 2_000), 64: min(args.entries, 50_000), 1024: args.entries}
    counts = {batch: max(entries // 3, batch) for batch, entries in counts.items()}
    rates = {batch: [] for batch in BATCHES}
    for _ in range(args.rounds):
        with tempfile.TemporaryDirectory(prefix="peers-eventsourcing-", dir=args.on) as directory:
            for batch in BATCHES:
                rates[batch].append(rate(directory, batch, counts[batch]))
    figures = [{"name": f"eventsourcing.append.{batch}", "per_second": int(statistics.median_low(rates[batch])),
                "conditions": f"commits of {batch}, median of {args.rounds} rounds of {counts[batch]}"}
               for batch in BATCHES]
    if args.json:
        print(json.dumps({"conditions": conditions, "figures": figures}))
        return
    print(f"conditions: {conditions}")
    for figure in figures:
        print(f"{figure['name']:<28}{figure['per_second']:>10}/s  [{figure['conditions']}]")


if __name__ == "__main__":
    main()
