"""What the core made of a few hundred recorded people, it makes of them today."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tailorbird.testing import recording

FOLDER = Path(__file__).parents[1] / "data" / "recorded"


@pytest.mark.parametrize(("engines", "batch"), [(1, 1_000), (2, 10)])
def test_recorded_histories_have_the_recorded_outcome(engines: int, batch: int) -> None:
    log, versions = recording.read_log(FOLDER), recording.load_versions(FOLDER)
    now = recording.outcome(log, versions, engines=engines, batch=batch)
    then = (FOLDER / "outcome.jsonl").read_bytes().splitlines()
    assert len(now) == len(then)
    apart = [difference(one, other) for one, other in zip(then, now, strict=True) if one != other]
    assert not apart, "\n".join(
        [
            f"{len(apart)} of {len(now)} profiles came out differently, for example:",
            *apart[:3],
            "If that is meant: python -m tailorbird.testing.recording tests/data/recorded outcome",
        ]
    )


def test_the_record_holds_what_it_is_kept_for() -> None:
    kept = [json.loads(line) for line in (FOLDER / "outcome.jsonl").read_text().splitlines()]
    causes = {change[3] for one in kept for change in one["changes"]}
    assert causes == {"record", "time", "definition", "backfill", "merge", "import"}
    assert {message[1] for one in kept for message in one["messages"]} == {
        "welcome",
        "cart",
        "lapsed",
        "thanks",
    }
    assert sum(one["merged_into"] != 0 for one in kept) > 50
    assert any(run[3] == "v1" for one in kept for run in one["runs"]) or any(
        message[4] == "v2" for one in kept for message in one["messages"]
    )


def difference(then: bytes, now: bytes) -> str:
    """Say what changed about a profile."""
    old, new = json.loads(then), json.loads(now)
    said = [
        f"  {key}: {json.dumps(old[key])[:300]}\n  now: {json.dumps(new[key])[:300]}"
        for key in old
        if old[key] != new.get(key)
    ]
    return "\n".join([f"profile {old['profile']}", *said])
