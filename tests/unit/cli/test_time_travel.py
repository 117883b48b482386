"""`profile show --at`: somebody as they were known then."""

from __future__ import annotations

import asyncio
import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tailorbird import bootstrap
from tailorbird.base.time import format_micros
from tailorbird.bootstrap.local_host import local_host
from tailorbird.bootstrap.time_travel import open_query_at
from tailorbird.cli.app import run
from tailorbird.cli.output import OK, USAGE, WRONG
from tailorbird.profiles.state import decode, encode
from tailorbird.testing.building import DAY, HOUR, START
from tailorbird.testing.embedded import event_draft
from tailorbird.testing.folder import live_in


@pytest.fixture
def data(tmp_path: Path) -> Path:
    live_in(tmp_path / "data")
    return tmp_path / "data"


def shown(capsys: pytest.CaptureFixture[str], data: Path, *more: str) -> Any:
    assert run(["profile", "show", "u3", "--data", str(data), *more, "--json"]) == OK
    return json.loads(capsys.readouterr().out)


def test_states_of_then_are_those_that_lived(data: Path) -> None:
    with closing(bootstrap.open_log(data)) as log:
        end = log.last_now()
    with closing(bootstrap.open_identity(data)) as identity:
        people = [identity.find("user_id", f"u{number}") for number in range(5)]
    for number, profile_id in enumerate(people):
        assert profile_id is not None
        with open_query_at(data, f"user_id:u{number}", end) as query:
            then = query.state(profile_id)
        lived = None
        for index in range(2):
            with closing(bootstrap.open_state(data, index)) as state:
                lived = state.profiles([profile_id]).get(profile_id, lived)
        assert then is not None
        assert lived is not None
        assert encode(then) == encode(decode(lived))


def test_a_segment_is_left_at_the_very_instant(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    last = shown(capsys, data)["updated_at"]
    with open_query_at(data, "user_id:u3", START + 20 * DAY) as query:
        profile_id = query.profile_id("user_id:u3")
        assert profile_id is not None
        state = query.state(profile_id)
        assert state is not None
        # It holds for thirty days after the last order.
        (leaves,) = state.deadlines.values()
    before, after = (format_micros(at) for at in (leaves - 1, leaves))
    assert shown(capsys, data, "--at", before)["segments"] == ["buyers"]
    assert shown(capsys, data, "--at", after)["segments"] == []
    assert shown(capsys, data, "--at", before)["updated_at"] == last


def test_who_was_somebody_else_then_is_shown_as_that(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at = START + 40 * DAY

    async def visit() -> None:
        with local_host(data, "system") as host:
            await host.write([event_draft("viewed", "v1", at, anonymous="a3")])
            await host.settle()
            await host.write([event_draft("identified", "i1", at + HOUR, "u3", "a3")])
            await host.settle()

    asyncio.run(visit())
    with closing(bootstrap.open_log(data)) as log:
        merged = next(one.now for one in log.read(0, 10_000) if one.kind == "merge_out")
    words = ["profile", "show", "anonymous_id:a3", "--data", str(data), "--json"]
    assert run(words) == OK
    today = json.loads(capsys.readouterr().out)
    assert run([*words, "--at", format_micros(merged - 1)]) == OK
    then = json.loads(capsys.readouterr().out)
    assert today["segments"] == []
    assert today["id"] == shown(capsys, data)["id"] != then["id"]


def test_complaints(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["profile", "show", "u3", "--data", str(data), "--at"]
    assert run([*words, "soon"]) == USAGE
    assert run([*words, "2020-01-01"]) == WRONG
    assert "nobody was known as `user_id:u3` at 2020-01-01" in capsys.readouterr().err
    assert run(["profile", "show", "nobody", "--data", str(data), "--at", "2026-01-20"]) == WRONG


def test_why_not_then_names_the_smallest_change(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def why_not(*more: str) -> Any:
        words = ["explain", "--why-not", "u3", "w", "--data", str(data), *more, "--json"]
        assert run(words) == OK
        return json.loads(capsys.readouterr().out)

    then = format_micros(START + 60 * DAY)
    found = why_not("--at", then)
    assert found["stopped_by"]["at"] == then
    assert found["smallest_change"] == {
        "text": "1 more `order_completed within 30d`",
        "wait_until": None,
        "events": [{"event": "order_completed", "more": 1}],
        "traits": {},
        "verified": True,
    }
    found = why_not("--at", format_micros(START + 5 * DAY))
    assert (found["stopped_by"], found["smallest_change"]) == (None, None)
    words = ["explain", "--why-not", "u3", "w", "--data", str(data)]
    assert run([*words, "--at", then]) == OK
    assert "What would change that: 1 more `order_completed" in capsys.readouterr().out
    assert run([*words, "--at", "soon"]) == 2
    assert run(["explain", "0" * 32, "--at", then, "--data", str(data)]) == USAGE
    assert "--at belongs to --why-not" in capsys.readouterr().err
