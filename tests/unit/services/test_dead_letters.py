"""Refused items: kept whole, mended, tried again, and counted once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tailorbird.adapters.sqlite.dead_letters import SqliteDeadLetters
from tailorbird.base.problems import ProblemsError
from tailorbird.events.event import EVENT, Event, decode_event
from tailorbird.events.refusal import Refusal, Rule
from tailorbird.ports.dead_letters import DROPPED, Refused, Which
from tailorbird.services.mend import mend_from
from tailorbird.testing.building import DAY, START
from tailorbird.testing.in_process import ADMIN, WRITE, InProcessServer, Reply


@pytest.fixture
def server(tmp_path: Path) -> Iterator[InProcessServer]:
    made = InProcessServer(tmp_path)
    yield made
    made.close()


def post(server: InProcessServer, path: str, body: Any) -> Reply:
    return server.ask("POST", path, body, WRITE)


def get(server: InProcessServer, query: str = "", *, path: str = "/v1/dead-letters") -> Reply:
    return server.ask("GET", path, headers=ADMIN, query=query.encode())


def replay(server: InProcessServer, **wanted: Any) -> dict[str, Any]:
    reply = server.ask("POST", "/v1/dead-letters/replay", wanted, ADMIN)
    assert reply.status == 200, reply.body
    found: dict[str, Any] = reply.json
    return found


def events(server: InProcessServer) -> list[Event]:
    return [decode_event(one) for one in server.log.read(0, 100_000) if one.kind == EVENT]


def letters(server: InProcessServer) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = get(server).json["letters"]
    return found


def test_a_single_item_keeps_the_call_of_its_path(server: InProcessServer) -> None:
    post(server, "/v1/track", {"event": "Seen", "properties": {"customer": "u1"}})
    (letter,) = letters(server)
    assert (letter["call"], letter["rule"], letter["field"]) == ("track", "nobody", "userId")
    assert letter["raw"] == '{"event":"Seen","properties":{"customer":"u1"}}'
    assert letter["mend"].startswith("Send a userId")

    server.clock.at += 3 * DAY
    done = replay(server, mend={"set": {"userId": "properties.customer"}})
    assert (done["counts"], done["events"]) == ({"accepted": 1}, 1)
    assert letters(server) == []
    (event,) = events(server)
    assert (event.type, event.name, event.user_id) == ("track", "seen", "u1")
    assert event.timestamp == START  # when it was received, not when it was mended
    assert event.message_id == "fresh-2"  # what it would have had


@pytest.mark.parametrize("bad", ["NaN", "-Infinity", "1e400", '"\\ud83d"'])
def test_what_is_nearly_json_can_be_mended(server: InProcessServer, bad: str) -> None:
    item = f'{{"type":"track","event":"Seen","userId":"u1","properties":{{"p":{bad},"n":1.5}}}}'
    post(server, "/v1/batch", f'{{"batch":[{item}]}}'.encode())
    assert replay(server, mend={"set": {"properties.q": 1}})["counts"] == {"refused": 1}
    assert letters(server)[0]["field"] == "properties.p"
    assert replay(server, mend={"drop": ["properties.p"]})["counts"] == {"accepted": 1}
    assert events(server)[0].properties == {"n": 1.5}


def test_the_clock_of_the_sender_is_still_put_right(server: InProcessServer) -> None:
    item = {"type": "track", "event": "Seen", "timestamp": "2026-01-05T07:00:00Z"}
    post(server, "/v1/batch", {"batch": [item], "sentAt": "2026-01-05T08:00:00Z"})
    replay(server, mend={"set": {"anonymousId": "'a1'"}})
    (event,) = events(server)
    assert event.timestamp == START - 3_600_000_000


def test_what_was_replayed_already_counts_once(server: InProcessServer) -> None:
    item = {"type": "track", "event": "Seen", "messageId": "m1"}
    post(server, "/v1/batch", {"batch": [item]})
    before = server.dead_letters.letters(Which())
    replay(server, mend={"set": {"userId": "'u1'"}})
    # As if the process had died between the log's commit and this store's.
    server.dead_letters.keep(
        before[0].at,
        before[0].source,
        [Refused(Refusal(Rule.NOBODY, "userId", ""), before[0].raw)],
    )
    done = replay(server, mend={"set": {"userId": "'u1'"}})
    assert done["counts"] == {"duplicate": 1}
    assert len(events(server)) == 1
    assert letters(server) == []


def test_an_item_without_message_id_counts_once_whatever_dies(server: InProcessServer) -> None:
    post(server, "/v1/track", {"event": "Seen"})
    settle, server.dead_letters.settle = server.dead_letters.settle, _die  # type: ignore[method-assign]
    with pytest.raises(AssertionError, match="power"):
        _replay_directly(server)
    assert len(events(server)) == 1
    server.dead_letters.settle = settle  # type: ignore[method-assign]
    assert replay(server, mend={"set": {"userId": "'u1'"}})["counts"] == {"duplicate": 1}
    assert len(events(server)) == 1


def _die(*_: object) -> None:
    raise AssertionError("the power went")


def _replay_directly(server: InProcessServer) -> None:
    replayer = server.app._parts.api.state.parts.letters.replayer
    asyncio.run(replayer.replay(Which(), mend_from({"set": {"userId": "'u1'"}})))


def test_a_dry_run_tells_and_changes_nothing(server: InProcessServer) -> None:
    post(server, "/v1/track", {"event": "Seen"})
    told = replay(server, dry_run=True)
    assert told["counts"] == {"refused": 1}
    told = replay(server, dry_run=True, mend={"set": {"userId": "'u1'"}})
    assert told["counts"] == {"accepted": 1}
    assert json.loads(told["attempts"][0]["after"][0]) == {"event": "Seen", "userId": "u1"}
    assert len(letters(server)) == 1
    assert events(server) == []


def test_what_is_refused_again_stays_with_the_new_reason(server: InProcessServer) -> None:
    post(server, "/v1/track", {"event": "Seen", "timestamp": "yesterday"})
    assert letters(server)[0]["rule"] == "bad_timestamp"
    done = replay(server, mend={"drop": ["timestamp"]})
    assert done["counts"] == {"refused": 1}
    assert letters(server)[0]["rule"] == "nobody"


def test_a_request_that_was_no_json_is_written_anew(server: InProcessServer) -> None:
    assert post(server, "/v1/batch", b'{"batch": [{"type": "track",').status == 400
    (letter,) = letters(server)
    assert (letter["call"], letter["rule"]) == ("batch", "not_json")
    good = {"batch": [{"type": "track", "event": "Seen", "userId": "u1"}, {"type": "track"}]}
    done = replay(server, ids=[letter["id"]], raw=json.dumps(good))
    # One of the two is in; the other is a letter of its own.
    assert (done["counts"], done["events"]) == ({"refused": 1}, 1)
    assert [one.name for one in events(server)] == ["seen"]
    (left,) = letters(server)
    assert (left["rule"], left["raw"]) == ("missing", '{"type": "track"}')


def test_all_of_a_large_batch_is_kept(server: InProcessServer) -> None:
    batch = [{"type": "track", "event": f"Seen {number}"} for number in range(2_000)]
    post(server, "/v1/batch", {"batch": batch})
    assert server.dead_letters.counts() == {"nobody": 2_000}
    done = replay(server, mend={"set": {"anonymousId": "'a1'"}})
    assert done["counts"] == {"accepted": 2_000}
    assert len({one.name for one in events(server)}) == 2_000


def test_groups_and_filters(server: InProcessServer) -> None:
    for number in range(3):
        post(server, "/v1/track", {"event": f"Seen {number}"})
    server.clock.at += DAY
    post(server, "/v1/track", {"event": "Seen", "userId": "u", "timestamp": "soon"})
    found = get(server, path="/v1/dead-letters/groups").json
    assert [(one["rule"], one["count"]) for one in found["groups"]] == [
        ("nobody", 3),
        ("bad_timestamp", 1),
    ]
    assert found["groups"][1]["latest"]["value"] == "soon"
    assert found["totals"]["kept"] == 4

    def chosen(query: str) -> int:
        return len(get(server, query).json["letters"])

    assert chosen("rule=nobody") == 3
    assert chosen("text=seen%201") == 1
    assert chosen("since=2026-01-06T00:00:00Z") == chosen("field=timestamp") == 1
    assert chosen("before=2026-01-06T00:00:00Z") == 3
    assert chosen("source=queue") == 0
    page = get(server, "limit=3").json
    assert page["next"] == page["letters"][-1]["id"]
    assert chosen(f"after={page['next']}") == 1


@pytest.mark.parametrize(
    ("query", "field"),
    [("rule=nobody%20knows", "rule"), ("since=soon", "since"), ("limit=0", "limit")],
)
def test_bad_questions_are_told(server: InProcessServer, query: str, field: str) -> None:
    reply = get(server, query)
    assert reply.status == 400
    assert reply.error["field"] == field
    assert reply.error["mend"]


@pytest.mark.parametrize(
    "wanted",
    [
        {"mend": {"sets": {}}},
        {"mend": {"set": {"a b": 1}}},
        {"mend": {"set": {"a": "1 +"}}},
        {"mend": {"drop": "a"}},
        {"mend": {}},
        {"raw": "{}"},
        {"ids": [-1]},
        {"nonsense": 1},
        {"rule": "x"},
    ],
)
def test_bad_mends_are_told(server: InProcessServer, wanted: dict[str, Any]) -> None:
    reply = server.ask("POST", "/v1/dead-letters/replay", wanted, ADMIN)
    assert reply.status == 400, reply.body
    assert reply.error["mend"]


def test_only_administrators_see_them(server: InProcessServer) -> None:
    assert server.ask("GET", "/v1/dead-letters", headers=WRITE).status == 401
    assert server.ask("POST", "/v1/dead-letters/replay", {}, WRITE).status == 401


def test_dropping(server: InProcessServer) -> None:
    for _ in range(3):
        post(server, "/v1/track", {"event": "Seen"})
    first = letters(server)[0]["id"]

    def drop(query: str) -> Reply:
        return server.ask("DELETE", "/v1/dead-letters", headers=ADMIN, query=query.encode())

    assert drop("").status == 400
    assert drop("ids=1,x").status == 400
    assert drop(f"ids={first}").json == {"dropped": 1}
    assert drop("rule=nobody").json == {"dropped": 2}
    assert server.dead_letters.totals()[DROPPED] == 3
    metrics = get(server, path="/metrics").body.decode()
    assert 'tailorbird_dead_letters_ever{what="dropped"} 3.0' in metrics
    assert 'tailorbird_dead_letters{rule="nobody"}' not in metrics


# -- the store -----------------------------------------------------------------------------------

BAD = Refusal(Rule.NOBODY, "userId", "")


def test_old_and_surplus_letters_are_let_go(tmp_path: Path) -> None:
    store = SqliteDeadLetters(tmp_path / "letters.db")
    for day in range(10):
        store.keep(START + day * DAY, "http", [Refused(BAD, b"x" * 100)])
    assert store.retain(START + 4 * DAY, 10_000) == 4
    assert store.retain(START, 350) == 3
    assert [one.at for one in store.letters(Which())] == [START + day * DAY for day in (7, 8, 9)]
    totals = store.totals()
    assert (totals["kept"], totals["expired"], totals["bytes"]) == (10, 7, 300)
    store.close()


def test_what_is_kept_stays_within_its_bytes(tmp_path: Path) -> None:
    store = SqliteDeadLetters(tmp_path / "letters.db", bytes_max=1_000)
    for number in range(50):
        store.keep(number, "http", [Refused(BAD, b"%03d" % number * 33)])
    kept = store.letters(Which())
    assert sum(len(one.raw) for one in kept) <= 1_000
    assert kept[-1].at == 49
    store.close()


def test_letters_of_an_earlier_release_are_read(tmp_path: Path) -> None:
    import sqlite3

    path = tmp_path / "letters.db"
    with sqlite3.connect(path) as old:
        old.execute(
            "CREATE TABLE dead_letter (id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL,"
            " source TEXT NOT NULL, rule TEXT NOT NULL, field TEXT NOT NULL,"
            " detail TEXT NOT NULL, raw BLOB NOT NULL)"
        )
        old.execute(
            "INSERT INTO dead_letter (at, source, rule, field, detail, raw)"
            " VALUES (7, 'http', 'nobody', 'userId', 'nobody', x'7b7d')"
        )
        old.execute("PRAGMA user_version = 1")
    store = SqliteDeadLetters(path)
    (letter,) = store.letters(Which())
    assert (letter.at, letter.call, letter.raw, letter.is_cut) == (7, "", b"{}", False)
    assert store.totals() == {"bytes": 2, "kept": 1}
    store.close()


# -- mends ---------------------------------------------------------------------------------------


def test_a_mend_renames_sets_and_drops() -> None:
    mend = mend_from(
        {
            "rename": {"properties.prod": "properties.product_id"},
            "set": {
                "userId": "properties.customer.id",
                "properties.price": "properties.cents / 100",
                "properties.currency": "'EUR'",
                "properties.count": 3,
                "context.page.path": "properties.missing",
            },
            "drop": ["properties.cents", "properties.nothing.here"],
        }
    )
    item = {"properties": {"prod": "p1", "customer": {"id": "u1"}, "cents": 1250}}
    assert mend.apply(item, START) == {
        "userId": "u1",
        "properties": {
            "product_id": "p1",
            "customer": {"id": "u1"},
            "price": 12.5,
            "currency": "EUR",
            "count": 3,
        },
    }
    assert item == {"properties": {"prod": "p1", "customer": {"id": "u1"}, "cents": 1250}}


def test_a_mend_that_cannot_be_read_says_why() -> None:
    with pytest.raises(ProblemsError, match="set price"):
        mend_from({"set": {"price": "(("}})


def test_a_mend_never_overwrites_what_is_no_object(server: InProcessServer) -> None:
    post(server, "/v1/track", {"event": "Seen", "properties": {"products": [{"id": 1}]}})
    told = replay(server, mend={"set": {"userId": "'u1'", "properties.products.id": 2}})
    assert told["counts"] == {"refused": 1}
    assert "is a list of 1" in told["attempts"][0]["error"]["message"]
    assert letters(server)[0]["raw"] == '{"event":"Seen","properties":{"products":[{"id":1}]}}'


def test_a_long_replay_does_not_hold_all_bytes(server: InProcessServer) -> None:
    batch = [{"type": "track", "event": f"Seen {number}"} for number in range(300)]
    post(server, "/v1/batch", {"batch": batch})
    replayer = server.app._parts.api.state.parts.letters.replayer
    attempts = asyncio.run(replayer.replay(Which(), is_dry=True))
    assert len(attempts) == 300
    assert sum(bool(one.letter.raw) for one in attempts) <= 200
    assert attempts[0].after == [attempts[0].letter.raw]
