"""History comes from files and real databases into a folder whose server runs or rests."""

from __future__ import annotations

import json
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from tailorbird import bootstrap
from tailorbird.base.time import parse_micros
from tailorbird.cli.app import run
from tailorbird.cli.output import OK, WRONG
from tailorbird.events.event import EVENT, Event, decode_event
from tailorbird.services.publish import Publisher
from tailorbird.testing.brokers import BrokerMissing
from tailorbird.testing.embedded import event_draft
from tailorbird.testing.postgres import Postgres
from tailorbird.testing.processes import Host, MailCatcher, until

pytestmark = pytest.mark.integration

ROWS = 20_000
KILLS = 4
FILES = {
    "tailorbird.toml": (
        'name = "Shop"\n[sender]\naddress = "shop@shop.example"\npostal_address = "1 High Street"\n'
    ),
    "templates/hello.html": (
        "---\nsubject: Hello\n---\n<p>Hello {{ traits.first_name }}</p>"
        '<p><a href="{{ links.unsubscribe_url }}">leave</a></p>\n'
    ),
    "segments/buyers.yaml": "when: count(order_completed) >= 1\n",
    "journeys/receipt.yaml": (
        "enter: {event: order_completed}\nkey: event.properties.order_id\n"
        "steps:\n  - {id: now, send: hello, kind: transactional}\n"
    ),
    "journeys/welcome.yaml": (
        "enter: {segment: buyers}\nsteps:\n  - {id: now, send: hello, kind: transactional}\n"
    ),
    "journeys/news.yaml": (
        "enter: {event: page_viewed}\nkey: event.properties.order_id\n"
        "steps:\n  - {id: now, send: hello, kind: marketing}\n"
    ),
}
PEOPLE = {
    "subscribed_members_export.csv": (
        "Email Address,First Name,MEMBER_RATING,OPTIN_TIME,OPTIN_IP,LAST_CHANGED,LEID,EUID\n"
        "ada@shop.example,Ada,4,2020-01-02 03:04:05,192.0.2.7,2024-01-01 00:00:00,1,a\n"
    ),
    "unsubscribed_members_export.csv": (
        "Email Address,First Name,MEMBER_RATING,OPTIN_TIME,LAST_CHANGED,LEID,EUID,UNSUB_TIME\n"
        "bob@shop.example,Bob,2,2019-01-01 00:00:00,2021-01-01 00:00:00,2,b,2021-01-01 00:00:00\n"
    ),
    "cleaned_members_export.csv": (
        "Email Address,First Name,MEMBER_RATING,OPTIN_TIME,LAST_CHANGED,LEID,EUID,CLEAN_TIME\n"
        "cy@shop.example,Cy,1,2019-01-01 00:00:00,2022-01-01 00:00:00,3,c,2022-01-01 00:00:00\n"
    ),
}
MAPPING = """
kind: events
event: event
user_id: user_id
timestamp: at
message_id: n
properties: {order_id: n}
"""


@pytest.fixture
def catcher(tmp_path: Path) -> Iterator[MailCatcher]:
    made = MailCatcher(tmp_path / "mails")
    yield made
    made.stop()


@pytest.fixture
def host(tmp_path: Path, catcher: MailCatcher) -> Iterator[Host]:
    made = Host(tmp_path, smtp_url=catcher.url)
    for name, text in FILES.items():
        path = made.settings.workspace / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    with closing(bootstrap.open_control(made.data)) as control:
        control.set("engines", "2")
    yield made
    made.stop()


def start(host: Host) -> None:
    """Start all roles of a server, with the definitions live."""
    host.start("writer")
    with closing(bootstrap.open_control(host.data)) as control:
        done = host.call(lambda writer: Publisher(control, writer).publish(FILES))
        assert not done.is_broken, [one.render() for one in done.problems]
    for index in range(2):
        host.start("engine", index)
    host.start("deliver")
    until(lambda: (host.data / "ledger.db").is_file(), 60)


def bring(host: Host, capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    capsys.readouterr()
    assert run(["import", *words, "--data", str(host.data), "--json"]) in (OK, WRONG)
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def events_in(host: Host) -> list[Event]:
    with closing(bootstrap.open_log(host.data)) as log:
        return [decode_event(one) for one in log.read(0, 10**6) if one.kind == EVENT]


def profile(host: Host, capsys: pytest.CaptureFixture[str], person: str) -> dict[str, Any]:
    until(lambda: run(["profile", "show", person, "--json", "--data", str(host.data)]) == OK)
    capsys.readouterr()
    assert run(["profile", "show", person, "--json", "--data", str(host.data)]) == OK
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def is_reduced(host: Host) -> bool:
    with closing(bootstrap.open_log(host.data)) as log:
        for index in range(2):
            with closing(bootstrap.open_state(host.data, index)) as state:
                if log.read(state.offset(), 1, range(index, 64, 2)):
                    return False
    return True


def test_history_of_last_minute_fills_profiles_and_mails_nobody(
    host: Host, catcher: MailCatcher, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start(host)
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    (tmp_path / "people.csv").write_text("user_id,email\nu1,u1@shop.example\n")
    (tmp_path / "orders.csv").write_text(f"event,user_id,at,n\norder_completed,u1,{now},1\n")
    (tmp_path / "m.yaml").write_text(MAPPING)
    bring(host, capsys, str(tmp_path / "people.csv"), "--type", "people")
    report = bring(
        host, capsys, str(tmp_path / "orders.csv"), "--mapping", str(tmp_path / "m.yaml")
    )
    assert report["counts"] == {"new": 1}
    until(lambda: is_reduced(host))
    assert profile(host, capsys, "user_id:u1")["segments"] == ["buyers"]
    # The same order, live, is answered at once: only that it is history kept the mail back.
    live(host, "order_completed", "u1")
    until(lambda: catcher.counts().total() >= 1)
    time.sleep(0.5)
    assert catcher.counts().total() == 1, (catcher.counts(), host.lines())


def live(host: Host, name: str, user: str | None = None, anonymous: str | None = None) -> None:
    draft = event_draft(
        name,
        f"live-{user}-{anonymous}-{name}",
        bootstrap.open_clock(host.data, "system").now(),
        user,
        anonymous,
        {"order_id": f"live-{user}-{anonymous}"},
    )
    host.call(lambda writer: writer.write([draft]))


def suppressed(host: Host) -> int:
    with closing(bootstrap.open_ledger(host.data)) as ledger:
        return ledger.counts().get("suppressed", 0)


def test_a_list_comes_over_whole_and_sending_obeys_it(
    host: Host, catcher: MailCatcher, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # The server rests while the list comes.
    folder = tmp_path / "mailchimp"
    folder.mkdir()
    for name, text in PEOPLE.items():
        (folder / name).write_text(text, encoding="utf-8")
    assert bring(host, capsys, str(folder), "--type", "people")["counts"] == {"new": 3}
    assert bring(host, capsys, str(folder), "--type", "people")["counts"] == {}
    start(host)
    until(lambda: is_reduced(host))

    ada = profile(host, capsys, "email:ada@shop.example")
    assert ada["consents"] == {"marketing": True}
    (proof,) = ada["consent_proofs"]
    assert (proof["at"], proof["ip"]) == ("2020-01-02T03:04:05Z", "192.0.2.7")
    assert proof["source"] == "Mailchimp"
    assert ada["suppressed"] == []
    bob = profile(host, capsys, "email:bob@shop.example")
    assert bob["consents"] == {"marketing": False}
    assert [(one["topic"], one["reason"]) for one in bob["suppressed"]] == [
        ("marketing", "unsubscribed")
    ]
    cy = profile(host, capsys, "email:cy@shop.example")
    assert cy["suppressed"][0]["reason"] == "bounced"
    assert cy["suppressed"][0]["since"].startswith("2022-01-01T00:00:00")
    assert run(["profile", "show", "email:cy@shop.example", "--data", str(host.data)]) == OK
    assert "no all mail: bounced" in " ".join(capsys.readouterr().out.split())

    # Bob may get his receipt, nobody but Ada the news, and Cy nothing at all.
    for one in (ada, bob, cy):
        (own,) = (two["value"] for two in one["identifiers"] if two["kind"] == "anonymous_id")
        live(host, "order_completed", anonymous=own)
        live(host, "page_viewed", anonymous=own)
    # A receipt, a welcome and the news: three for Ada, two for Bob, none for Cy.
    until(lambda: suppressed(host) == 4)
    until(lambda: catcher.counts().total() == 5)


@pytest.mark.parametrize("is_served", [False, True], ids=["resting", "served"])
def test_killed_at_random_each_row_comes_once(
    host: Host, tmp_path: Path, capsys: pytest.CaptureFixture[str], *, is_served: bool
) -> None:
    if is_served:
        host.start("writer")
    chosen = random.Random(7)
    lines = [f"order_completed,u{n % 997},2020-01-01,{n}" for n in range(ROWS)]
    lines[77] = "order_completed,,2020-01-01,x"
    (tmp_path / "orders.csv").write_text("\n".join(["event,user_id,at,n", *lines]) + "\n")
    (tmp_path / "m.yaml").write_text(MAPPING)
    words = [str(tmp_path / "orders.csv"), "--mapping", str(tmp_path / "m.yaml")]
    command = [sys.executable, "-m", "tailorbird", "import", *words, "--data", str(host.data)]
    for turn in range(KILLS):
        process = subprocess.Popen([*command, "--json"], stdout=subprocess.DEVNULL)
        aim = (turn + 1) * ROWS // (KILLS + 2)
        until(lambda aim=aim, one=process: count(host) >= aim or one.poll() is not None)  # type: ignore[misc]
        time.sleep(chosen.random() / 20)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert 0 < count(host) < ROWS
    report = bring(host, capsys, *words)
    assert report["tables"][0]["resumed"] > 0
    found = [one.message_id for one in events_in(host)]
    assert len(found) == len(set(found)) == ROWS - 1
    with closing(sqlite3.connect(host.data / "dead_letters.db")) as file:
        ((source, detail),) = file.execute("SELECT source, detail FROM dead_letter")
    assert source == "import"
    assert detail.startswith("orders.csv:79: ")
    assert bring(host, capsys, *words)["tables"][0]["was_finished"]
    assert len(events_in(host)) == ROWS - 1


def count(host: Host) -> int:
    """Return how many records of events the log has; a file that is just being made has none."""
    found = 0
    for path in (host.data / "log").glob("[0-9]*.db"):
        with (
            closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as file,
            suppress(sqlite3.OperationalError),
        ):
            found += file.execute("SELECT count(*) FROM record WHERE kind = 'event'").fetchone()[0]
    return found


SHOP = """
CREATE TABLE orders (
    id integer PRIMARY KEY, customer_id integer, placed_at timestamp, total numeric(10, 2),
    note text
);
INSERT INTO orders
SELECT n, n % 10 + 1, timestamp '2024-03-31 02:30:00' + n * interval '1 minute', n / 4.0, '100% :x'
FROM generate_series(1, 5000) AS n;
"""
ORDERS = """
kind: events
event: "'order_completed'"
user_id: customer_id
timestamp: placed_at
message_id: id
properties: {order_id: id, total: total, note: note}
"""


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    try:
        made = Postgres()
    except BrokerMissing as missing:
        pytest.skip(str(missing))
    yield made
    made.stop()


def test_a_shops_postgres_is_asked_and_asked_again(
    postgres: Postgres, host: Host, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    postgres.execute(SHOP)
    (tmp_path / "m.yaml").write_text(ORDERS)
    query = "SELECT * FROM orders WHERE note LIKE '100% :x' AND id::text > '' ORDER BY random()"
    words = ["--sql", query, "--url", postgres.url, "--mapping", str(tmp_path / "m.yaml")]
    assert bring(host, capsys, *words, "--dry-run")["counts"] == {"new": 5_000}
    assert events_in(host) == []
    assert bring(host, capsys, *words)["counts"] == {"new": 5_000}
    by_id = {one.message_id: one for one in events_in(host)}
    assert by_id["7"].properties == {"order_id": 7, "total": 1.75, "note": "100% :x"}
    assert by_id["7"].user_id == "8"
    assert by_id["7"].timestamp == parse_micros("2024-03-31T02:37:00Z")
    # Later, with what was new since: no place to go on from, but each row is known again.
    postgres.execute("INSERT INTO orders VALUES (5001, 1, '2024-06-01', 9.5, '100% :x')")
    assert bring(host, capsys, *words)["counts"] == {"new": 1, "known": 5_000}
    assert run(["import", *words[:2], "--url", postgres.url, "--suggest"]) == OK
    suggested = capsys.readouterr().out
    assert "user_id: customer_id" in suggested
    assert "timestamp: placed_at" in suggested
