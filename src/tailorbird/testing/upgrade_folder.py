"""Writes a small data folder by the present code, for later code to open: `tests/data/upgrade`.

python -m tailorbird.testing.upgrade_folder FOLDER COMMIT
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

from tailorbird import __version__, bootstrap
from tailorbird.base.time import DAY, MICROSECONDS, parse_micros
from tailorbird.cli.reading import open_query
from tailorbird.services.publish import Publisher
from tailorbird.testing.embedded import event_draft
from tailorbird.testing.processes import Host, MailCatcher, until

NOON = parse_micros("2026-01-05T12:00:00Z")
PEOPLE = 6
FILES = {
    "tailorbird.toml": 'name = "Shop"\n[sender]\naddress = "shop@shop.example"\n',
    "segments/buyers.yaml": "when: count(order_completed) >= 2\n",
    "scores/interest.yaml": "value: count(viewed within 7d)\n",
    "templates/hello.html": "---\nsubject: Hello\n---\n<p>Hello {{ traits.first_name }}</p>\n",
    "journeys/receipt.yaml": (
        "enter: {event: order_completed}\nkey: event.properties.order_id\nsteps:\n"
        "  - {id: now, send: hello, kind: transactional}\n  - {id: pause, wait: 20h}\n"
        "  - {id: later, send: hello, kind: transactional}\n"
    ),
}


def write(folder: Path, commit: str) -> None:
    """Write the folder: a server's data after some people have lived, and what it says of them."""
    with tempfile.TemporaryDirectory(prefix="tailorbird-upgrade-") as place:
        catcher = MailCatcher(Path(place, "mails"))
        host = Host(Path(place), clock="simulated", engines=2, smtp_url=catcher.url)
        try:
            _live(host, catcher)
        finally:
            host.stop()
            catcher.stop()
        shutil.rmtree(folder, ignore_errors=True)
        for path in sorted(host.data.rglob("*.db")):
            with closing(sqlite3.connect(path)) as connection:
                connection.execute("VACUUM")
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            target = folder / "data" / path.relative_to(host.data)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        shutil.copyfile(host.data / "clock", folder / "data" / "clock")
    expected = {"commit": commit, "release": __version__, **said_of(folder / "data")}
    (folder / "expected.json").write_text(
        json.dumps(expected, indent=1, sort_keys=True) + "\n", encoding="utf-8"
    )


def said_of(data: Path) -> dict[str, Any]:
    """Return what the code that runs says of a data folder's people, segments and messages."""
    with open_query(data) as query:
        people = {}
        for one in range(PEOPLE):
            found = query.profile(f"user_id:u{one}")
            assert found is not None
            people[f"u{one}"] = {
                name: found[name] for name in ("id", "identifiers", "traits", "scores", "consents")
            }
        messages = [
            {"content": (query.export(f"user_id:u{one}") or {})["messages"]}
            for one in range(PEOPLE)
        ]
        return json.loads(  # type: ignore[no-any-return]  # what JSON makes of it
            json.dumps(
                {
                    "people": people,
                    "segments": query.segments(),
                    "messages": messages,
                    "log_end": query.status()["log_end"],
                }
            )
        )


def _live(host: Host, catcher: MailCatcher) -> None:
    host.start("writer")
    for index in range(2):
        host.start("engine", index)
    until(lambda: all((host.data / "state" / f"{one}.db").exists() for one in range(2)))
    host.start("deliver")
    until(lambda: (host.data / "ledger.db").exists())
    with closing(bootstrap.open_control(host.data)) as control:
        host.call(lambda writer: writer.set_now(NOON))
        host.call(lambda writer: Publisher(control, writer).publish(FILES))
    drafts = []
    for one in range(PEOPLE):
        traits = {"email": f"u{one}@shop.example", "first_name": f"Ada {one}"}
        drafts += [
            event_draft("viewed", f"v{one}", NOON, None, f"a{one}"),
            event_draft("identified", f"i{one}", NOON, f"u{one}", None, traits),
            event_draft("viewed", f"w{one}", NOON, f"u{one}", f"a{one}"),
        ]
        drafts += [
            event_draft(
                "order_completed", f"o{one}-{n}", NOON, f"u{one}", None, {"order_id": f"{one}-{n}"}
            )
            for n in range(1 + one % 2)
        ]
    host.call(lambda writer: writer.write(drafts))
    host.call(lambda writer: writer.set_now(NOON + MICROSECONDS))
    until(lambda: catcher.counts().total() >= PEOPLE * 3 // 2)
    host.call(lambda writer: writer.set_now(NOON + DAY))
    until(lambda: catcher.counts().total() >= PEOPLE * 3)
    with closing(bootstrap.open_ledger(host.data)) as ledger:
        until(lambda: not ledger.unfinished(NOON + DAY))
    with closing(bootstrap.open_log(host.data)) as log:
        states = bootstrap.open_states(host.data, 2)

        def is_reduced() -> bool:
            return not any(
                log.read(store.offset(), 1, range(index, 64, 2))
                for index, store in enumerate(states)
            )

        until(is_reduced)
        for store in states:
            store.close()


if __name__ == "__main__":
    write(Path(sys.argv[1]), sys.argv[2])
