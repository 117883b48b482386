"""Records of earlier forms are read in today's; the log keeps them as they were written."""

from __future__ import annotations

import inspect
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailorbird.adapters.sqlite.event_log import SqliteEventLog
from tailorbird.events import event as bodies
from tailorbird.events.event import EVENT, TICK, Event, decode_event, encode
from tailorbird.events.upcast import CHAINS, NewerForm, form_of, present, written
from tailorbird.ports.event_log import Draft

NOW = 1_700_000_000_000_000


def rename(fields: list[Any]) -> list[Any]:
    """Form 2 calls the call `sent` what form 1 called `mailed`."""
    return [fields[0], fields[1].replace("mailed", "sent"), *fields[2:]]


def to_list(fields: list[Any]) -> list[Any]:
    """Form 3 has its properties' `tags` as a list."""
    properties = dict(fields[5])
    if isinstance(properties.get("tags"), str):
        properties["tags"] = properties["tags"].split(",")
    return [*fields[:5], properties, *fields[6:]]


FIRST: dict[str, Any] = {}
SECOND = {EVENT: (rename,)}
THIRD = {EVENT: (rename, to_list)}


def made(name: str = "mail_mailed", **properties: Any) -> bytes:
    return encode(
        Event(
            type="track", name=name, message_id="m", timestamp=NOW, order=1, properties=properties
        )
    )


def test_a_log_of_earlier_releases_is_read_in_todays_form(tmp_path: Path) -> None:
    for number, chains in enumerate((FIRST, SECOND, THIRD)):
        with closing(SqliteEventLog(tmp_path, is_writer=True, chains=chains)) as log:
            name = "mail_mailed" if chains is FIRST else "mail_sent"
            tags: Any = ["a", "b"] if chains is THIRD else "a,b"
            drafts = [Draft(1, EVENT, 1, made(name, tags=tags)), Draft(1, TICK, 0, b"")]
            assert log.append(drafts, NOW + number)[0].body == drafts[0].body
    with closing(sqlite3.connect(next(tmp_path.glob("*.db")))) as file:
        rows = file.execute("SELECT body FROM record WHERE kind = 'event' ORDER BY offset")
        assert [form_of(body) for (body,) in rows] == [1, 2, 3]
    with closing(SqliteEventLog(tmp_path, chains=THIRD)) as log:
        records = log.read(0, 100)
        assert [one.kind for one in records] == [EVENT, TICK] * 3
        found = [decode_event(one) for one in records if one.kind == EVENT]
        assert [(one.name, one.properties) for one in found] == [
            ("mail_sent", {"tags": ["a", "b"]})
        ] * 3
        assert [one.body for one in log.read_kind(TICK)] == [b""] * 3


def test_a_record_of_a_newer_release_is_refused(tmp_path: Path) -> None:
    with closing(SqliteEventLog(tmp_path, is_writer=True, chains=THIRD)) as log:
        log.append([Draft(1, EVENT, 1, made())], NOW)
    knows = pytest.raises(NewerForm, match="has form 3, this release knows 2")
    with closing(SqliteEventLog(tmp_path, chains=SECOND)) as log, knows:
        log.read(0, 1)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)


@given(properties=st.dictionaries(st.text(max_size=8), VALUES, max_size=4))
def test_any_old_event_becomes_a_valid_new_one(properties: dict[str, Any]) -> None:
    old = made(**{key: one for key, one in properties.items() if key != "name"})
    new = present(EVENT, old, THIRD)
    assert msgspec.msgpack.decode(new, type=Event).name == "mail_sent"
    assert present(EVENT, written(EVENT, new, THIRD), THIRD) == new
    assert present(EVENT, old) == written(EVENT, old) == old or EVENT in CHAINS


def test_no_body_begins_with_a_number() -> None:
    structs = [
        one
        for _, one in inspect.getmembers(bodies, inspect.isclass)
        if issubclass(one, msgspec.Struct) and one is not bodies.Record
    ]
    assert len(structs) >= 8
    for one in structs:
        assert msgspec.structs.fields(one)[0].type not in (int, float), one
