"""`profile show` tells how a person came to be one, and when segments are asked again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tailorbird import bootstrap
from tailorbird.bootstrap.definitions import workspace_loader
from tailorbird.cli.app import run
from tailorbird.cli.output import OK
from tailorbird.delivery.suppression import changes_of
from tailorbird.events.event import ACTIVATE, PARTITIONS, Activate, encode
from tailorbird.ports.event_log import Draft
from tailorbird.ports.log_writer import Answer
from tailorbird.services.advance import Engine
from tailorbird.services.append import Appender
from tailorbird.services.forward import forward_hand_overs
from tailorbird.testing.building import DAY, START
from tailorbird.testing.embedded import MovedClock, event_draft

FILES = {
    "tailorbird.toml": 'timezone = "Europe/Rome"\n',
    "segments/buyers.yaml": "when: count(order_completed within 30d) >= 1\n",
    "segments/silent.yaml": (
        "when: none(product_viewed within 30d) and count(order_completed) >= 1\n"
    ),
}
BROWSER = "5f2c9d1e-7a3b-4c11-9a77-0e6b1f2a9c3d"
SIGN_IN = "5b0c2c4e-93b1-4bd2-a1a4-5c8f6f1f7e11"


class _Forwarded:
    def __init__(self, appender: Appender) -> None:
        self._appender = appender

    async def append(self, drafts: Sequence[Draft]) -> list[Answer]:
        return self._appender.write([], drafts)[1]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Somebody looks around, buys elsewhere under a user id, and signs in where they looked."""
    folder = tmp_path / "data"
    bootstrap.prepare_data_folder(folder)
    with (
        closing(bootstrap.open_control(folder)) as control,
        closing(bootstrap.open_log(folder, is_writer=True)) as log,
        closing(bootstrap.open_identity(folder, is_writer=True)) as identity,
        closing(bootstrap.open_suppression(folder, is_writer=True)) as suppression,
        closing(bootstrap.open_ledger(folder, is_writer=True)),
        closing(bootstrap.open_state(folder, 0, is_writer=True)) as state,
    ):
        control.set("engines", "1")
        control.save_version("v1", FILES, START)
        control.set("live_version", "v1")
        clock = MovedClock()
        appender = Appender(log, identity, suppression, clock, changes_of)
        body = encode(Activate("v1", "test"))
        appender.write([], [Draft(one, ACTIVATE, 0, body) for one in range(PARTITIONS)])
        seen = event_draft("product_viewed", "m1", clock.at, None, BROWSER)
        bought = event_draft("order_completed", "m2", clock.at + DAY // 3, "ada")
        known = event_draft(
            "identified",
            SIGN_IN,
            clock.at + 2 * DAY // 3,
            "ada",
            BROWSER,
            {"email": "ada@shop.example", "name": "Ada", "birthday": "01/02/1990"},
            email="ada@shop.example",
            unfit={"birthday": "ambiguous_date"},
        )
        for event in (seen, bought, known):
            clock.at += DAY // 3
            appender.write([event])
        engine = Engine(log, state, workspace_loader(control), index=0, engines=1)
        while engine.step(7):
            pass
        asyncio.run(forward_hand_overs(state, _Forwarded(appender), 0))  # type: ignore[arg-type]
        while engine.step(7):
            pass
    return folder


def shown(data: Path, capsys: pytest.CaptureFixture[str], *options: str) -> str:
    assert run(["profile", "show", "ada", "--data", str(data), *options]) == OK
    return capsys.readouterr().out


def test_every_identifier_names_the_event_that_linked_it(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found: dict[str, Any] = json.loads(shown(data, capsys, "--json"))
    assert [
        (one["kind"], one["first_seen"][:19], one["linked_by"]["message_id"])
        for one in found["identity"]["identifiers"]
    ] == [
        ("anonymous_id", "2026-01-05T17:00:00", "m1"),
        ("email", "2026-01-06T09:00:00", SIGN_IN),
        ("user_id", "2026-01-06T01:00:00", "m2"),
    ]


def test_a_merge_names_the_event_and_what_both_had(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found: dict[str, Any] = json.loads(shown(data, capsys, "--json"))
    (merge,) = found["identity"]["merged"]
    assert merge["into"] == found["id"] != merge["id"]
    assert merge["shared"] == [{"kind": "anonymous_id", "value": BROWSER}]
    assert (merge["merged_by"]["event"], merge["merged_by"]["message_id"]) == (
        "identified",
        SIGN_IN,
    )


def test_segments_tell_since_when_and_when_they_are_asked_again(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = shown(data, capsys)
    lines = {line.split(" ")[0]: " ".join(line.split()) for line in text.splitlines()}
    assert lines["buyers"] == "buyers in 6 Jan 2026, 02:00 CET 4 Feb 2026, 18:00 CET"
    assert lines["silent"] == "silent not in 4 Feb 2026, 10:00 CET"


def test_traits_without_a_standard_form_tell_why(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = " ".join(shown(data, capsys).split())
    assert "Without a standard form birthday ambiguous_date" in text


def test_long_ids_can_be_copied_from_eighty_columns(
    data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    text = shown(data, capsys)
    assert f"shared anonymous_id {BROWSER}" in text
    assert SIGN_IN in text
    assert "…" not in text
