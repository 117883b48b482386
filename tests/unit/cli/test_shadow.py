"""`shadow`: a draft lives what happens beside the live version, and nothing is touched."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tailorbird import bootstrap
from tailorbird.bootstrap.local_host import local_host
from tailorbird.bootstrap.shadow import run_shadow
from tailorbird.cli.app import run
from tailorbird.cli.output import OK, OUTSIDE, USAGE, WRONG
from tailorbird.ports.ledger import Message
from tailorbird.ports.log_writer import EventDraft
from tailorbird.services.publish import checked_workspace
from tailorbird.testing.building import DAY, HOUR
from tailorbird.testing.embedded import event_draft
from tailorbird.testing.folder import FILES, PEOPLE, live_in

LIVE = {
    **FILES,
    "tailorbird.toml": 'name = "Shop"\n[sender]\npostal_address = "Bern"\n',
    "segments/keen.yaml": "when: count(viewed within 1d) >= 2\n",
    "journeys/late.yaml": (
        "enter: {event: viewed}\n"
        "reentry: once\n"
        "steps:\n"
        "  - {id: pause, wait: 1s}\n"
        "  - {id: mail, send: hello, kind: transactional}\n"
    ),
}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    live_in(folder, now() - 10 * DAY)
    assert applied(tmp_path, folder, LIVE) == OK
    return folder


def now() -> int:
    return time.time_ns() // 1_000


def written(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def applied(tmp_path: Path, data: Path, files: dict[str, str]) -> int:
    words = ["--workspace", str(written(tmp_path / "shop", files)), "--data", str(data)]
    return run(["apply", *words, "--yes", "--json"])


def happen(data: Path, drafts: Sequence[EventDraft]) -> None:
    async def write() -> None:
        with local_host(data, "system") as host:
            await host.write(drafts)
            await host.settle()

    asyncio.run(write())


def shadowed(data: Path, files: dict[str, str], *turns: Callable[[], object]) -> dict[str, Any]:
    """Run a shadow; each time that it looks up one of the turns comes, then it is interrupted."""
    workspace, problems = checked_workspace(files)
    assert workspace is not None, problems
    left = [*turns]

    def tell(records: int, passed: int) -> None:
        if not left:
            raise KeyboardInterrupt
        left.pop(0)()

    return run_shadow(data, workspace, files, micros=None, tell=tell)


def introduced(user: str, begin: int, *, consents: bool = True) -> EventDraft:
    """Return a call in which somebody gives an address, and agrees to mail."""
    traits = {"email": f"{user}@shop.example", "consent": {"marketing": consents}}
    return event_draft("identified", f"known {user}", begin, user, None, traits)


def traffic(data: Path, begin: int) -> list[Callable[[], object]]:
    """Let old and new people order and look, and two of them turn out to be one."""
    orders = [event_draft("order_completed", f"o{n}", begin + n, f"u{n}") for n in range(5)]
    news = [event_draft("order_completed", f"n{n}", begin + 10 + n, f"new{n}") for n in range(3)]
    known_first = [introduced(f"u{n}", begin - 20 + n) for n in range(5)]
    known_first += [introduced(f"new{n}", begin - 10 + n) for n in range(3)]
    views = [event_draft("viewed", f"v{n}", begin + 20 + n, None, f"a{n % 4}") for n in range(9)]
    known = [
        event_draft("identified", "i1", begin + 40, "u1", "a1"),
        event_draft("viewed", "v99", begin + 41, "u1"),
        event_draft("identified", "i2", begin + 42, "new1", "a2"),
    ]
    return [
        lambda: happen(data, [*known_first, *orders]),
        lambda: happen(data, [*news, *views]),
        lambda: happen(data, known),
        lambda: time.sleep(3.5),  # longer than the wait, and than records take to lie in the log
        lambda: None,
        lambda: None,
    ]


def differences(found: dict[str, Any]) -> dict[str, int]:
    parts = [*found["segments"].values(), *found["journeys"].values()]
    return {side: sum(one[side] for one in parts) for side in ("only_draft", "only_live")}


def test_the_same_definitions_do_the_same(data: Path) -> None:
    found = shadowed(data, LIVE, *traffic(data, now() - 2 * HOUR))
    assert found["records"] > 20
    assert differences(found) == {"only_draft": 0, "only_live": 0}
    journey = found["journeys"]["w"]
    hours = journey.pop("hours")
    assert sum(hours["live"].values()) == sum(hours["draft"].values()) == 3
    assert journey == {
        "asked": {"live": 3, "draft": 3},
        "live": 3,  # the new people; the others are buyers already
        "draft": 3,
        "only_live": 0,
        "only_draft": 0,
        "only_live_sample": [],
        "only_draft_sample": [],
    }
    late = found["journeys"]["late"]
    assert late["asked"]["draft"] == late["asked"]["live"] >= 3
    nobody = "the person has no e-mail address that can be mailed to"
    assert late["draft"] == late["live"] == late["asked"]["live"] - found["stopped"]["live"][nobody]
    assert found["segments"]["buyers"]["live"] == {"size": PEOPLE + 3, "entered": 3, "left": 0}
    assert found["segments"]["keen"]["draft"]["size"] > 0


def test_it_begins_now_where_nothing_came_for_long(tmp_path: Path) -> None:
    # It counted from the last record: `--for 24h` was over at once after a quiet day.
    folder = tmp_path / "data"
    live_in(folder, now() - 10 * DAY)
    workspace, _ = checked_workspace(FILES)
    assert workspace is not None
    told: list[int] = []

    def tell(records: int, passed: int) -> None:
        told.append(passed)
        raise KeyboardInterrupt

    run_shadow(folder, workspace, FILES, micros=DAY, tell=tell)
    assert told[0] < HOUR


def test_a_draft_that_differs_is_told_by_whom(data: Path) -> None:
    draft = {
        **LIVE,
        "segments/buyers.yaml": "when: count(order_completed) >= 4\n",
        "segments/new.yaml": "when: count(order_completed) >= 1\n",
    }
    found = shadowed(data, draft, *traffic(data, now() - 2 * HOUR))
    buyers = found["segments"]["buyers"]
    assert buyers["draft"] == {"size": 5, "entered": 5, "left": 0}
    assert buyers["live"] == {"size": PEOPLE + 3, "entered": 3, "left": 0}
    assert (buyers["only_draft"], buyers["only_live"]) == (0, PEOPLE - 2)
    assert found["segments"]["new"]["only_draft"] == PEOPLE + 3
    journey = found["journeys"]["w"]
    assert [journey[one] for one in ("draft", "live", "only_draft", "only_live")] == [5, 3, 5, 3]
    who = {one["known_as"][0] for one in journey["only_draft_sample"]}
    assert who >= {f"user_id:u{n}" for n in (0, 2, 3, 4)}
    assert {one["step"] for one in journey["only_live_sample"]} == {"mail"}
    assert found["journeys"]["late"]["only_draft"] == found["journeys"]["late"]["only_live"] == 0


def test_what_delivery_would_hold_back_does_not_leave(data: Path) -> None:
    begin = now() - HOUR
    people = [introduced(f"new{n}", begin + n, consents=n != 1) for n in range(4)]
    orders = [event_draft("order_completed", f"n{n}", begin + 10 + n, f"new{n}") for n in range(5)]
    unsubscribed = event_draft("unsubscribed", "x", begin + 5, "new2", None, {
        "email": "new2@shop.example",
    }, email="new2@shop.example")  # fmt: skip
    again = {**LIVE, "journeys/again.yaml": FILES["journeys/w.yaml"]}
    turns = [lambda: happen(data, [*people, unsubscribed]), lambda: happen(data, orders)]
    found = shadowed(data, again, *turns, lambda: None, lambda: None)
    assert found["journeys"]["w"]["asked"] == {"live": 5, "draft": 5}
    live, draft = (found["stopped"][side] for side in ("live", "draft"))
    assert live["consent for marketing was withdrawn"] >= 1
    assert live["the person has no e-mail address that can be mailed to"] == 1
    assert sum(live.values()) == 3  # who has no address, who said no, who unsubscribed
    assert found["journeys"]["w"]["live"] == 2
    # The cap of one a day: the draft's second journey waits.
    assert sum(draft.values()) == 2 * sum(live.values())
    assert sum(found["journeys"][name]["draft"] for name in ("w", "again")) == 2
    assert found["held"] == {"live": {}, "draft": {"at most 1 marketing mail(s) a day": 2}}
    assert found["waiting"] == {"live": 0, "draft": 2}


def test_marketing_that_really_left_before_counts_for_the_cap(data: Path) -> None:
    begin = now() - HOUR
    message = Message(
        effect_id="e" * 32,
        state=0,
        profile_id=1,
        journey="w",
        step="mail",
        template="hello",
        kind="marketing",
        topic="marketing",
        due_at=begin,
        expires_at=begin,
        created_at=begin,
        effect=b"",
        address="new0@shop.example",
        status="sent",
        finished_at=begin,
        reported=True,
    )
    with closing(bootstrap.open_ledger(data, is_writer=True)) as ledger:
        ledger.take_over(0, [message], 0)
        ledger.update([message])
    order = event_draft("order_completed", "n0", begin + 10, "new0")
    turns = [lambda: happen(data, [introduced("new0", begin), order])]
    found = shadowed(data, LIVE, *turns, lambda: None, lambda: None)
    assert found["journeys"]["w"]["live"] == 0
    assert found["held"]["live"] == {"at most 1 marketing mail(s) a day": 1}


def test_deadlines_of_the_draft_come_without_ticks_of_the_server(data: Path) -> None:
    draft = {**LIVE, "segments/hasty.yaml": "when: since(viewed) > 30m\n"}
    found = shadowed(data, draft, *traffic(data, now() - 2 * HOUR))
    assert found["segments"]["hasty"]["draft"]["size"] == 4
    assert found["segments"]["hasty"]["live"]["size"] == 0


def test_nothing_of_the_folder_is_written(data: Path) -> None:
    def digests() -> dict[str, str]:
        return {
            str(path.relative_to(data)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(data.rglob("*"))
            if path.is_file() and path.suffix != ".db-shm" and path.stat().st_size
        }

    before = digests()
    shadowed(data, {**LIVE, "segments/new.yaml": "when: any(order_completed)\n"}, lambda: None)
    assert digests() == before


def test_another_version_that_goes_live_ends_it(data: Path, tmp_path: Path) -> None:
    more = {**LIVE, "segments/more.yaml": "when: any(viewed)\n"}
    turns = [lambda: applied(tmp_path, data, more), *[lambda: None] * 50]
    found = shadowed(data, LIVE, *turns)
    assert found["replaced_by"]


def test_the_command(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    draft = written(
        tmp_path / "draft", {**LIVE, "segments/new.yaml": "when: any(order_completed)\n"}
    )
    # What happened before it begins is not in it: the time that passes is the server's own.
    words = ["shadow", "--workspace", str(draft), "--data", str(data)]
    capsys.readouterr()
    assert run([*words, "--for", "1s", "--json"]) == OK
    found = json.loads(capsys.readouterr().out)
    assert found["segments"]["new"]["only_draft"] == PEOPLE
    assert "cannot tell" in found["cannot_tell"]
    assert run([*words, "--for", "1s"]) == OK
    assert "only draft" in capsys.readouterr().out
    page = tmp_path / "shadow.html"
    assert run([*words, "--for", "1s", "--html", str(page)]) == OK
    assert str(page) in capsys.readouterr().out.replace("\n", "")
    assert "<h1>Shadow of Shop</h1>" in page.read_text()
    assert "<td>new</td>" in page.read_text()
    assert run([*words, "--html", str(tmp_path / "nowhere" / "x.html")]) == OUTSIDE
    assert run([*words, "--for", "soon"]) == USAGE
    assert run([*words[:-1], "nowhere"]) == OUTSIDE
    (draft / "segments" / "new.yaml").write_text("when: any(order_completed\n")
    assert run(words) == WRONG
