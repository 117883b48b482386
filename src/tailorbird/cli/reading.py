"""The data folder as the reading commands see it: opened for reading, no server needed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from tailorbird import bootstrap
from tailorbird.base.names import nearest
from tailorbird.base.time import parse_micros
from tailorbird.bootstrap.definitions import workspace_loader
from tailorbird.bootstrap.time_travel import open_query_at
from tailorbird.cli.output import OUTSIDE, Failure
from tailorbird.ports.state_store import StateStore
from tailorbird.services.query import Query


@contextmanager
def open_query(data: Path) -> Iterator[Query]:
    """Open a data folder for reading.

    Raises:
        Failure: it is no data folder, or nothing has been published in it yet.
    """
    if not (data / "control.db").is_file() or not (data / "identity.db").is_file():
        raise Failure(
            f"{data} is no data folder of a server",
            "Give the one that `tailorbird serve --data` was given.",
            code=OUTSIDE,
        )
    with ExitStack() as things:
        control = things.enter_context(closing(bootstrap.open_control(data)))
        if control.get("live_version") is None or not (data / "ledger.db").is_file():
            raise Failure(
                "nothing has been published in this data folder yet",
                "Start `tailorbird serve` on it once.",
            )
        states: list[StateStore] = [
            things.enter_context(closing(bootstrap.open_state(data, int(path.stem))))
            for path in sorted((data / "state").glob("*.db"), key=lambda one: int(one.stem))
        ]
        yield Query(
            log=things.enter_context(closing(bootstrap.open_log(data))),
            states=states,
            identity=things.enter_context(closing(bootstrap.open_identity(data))),
            ledger=things.enter_context(closing(bootstrap.open_ledger(data))),
            control=control,
            suppression=things.enter_context(closing(bootstrap.open_suppression(data))),
            clock=bootstrap.open_clock(data, bootstrap.clock_kind(data)),
            load_workspace=workspace_loader(control),
        )


@contextmanager
def open_query_then(data: Path, person: str, at: str) -> Iterator[Query]:
    """Open a data folder as it was for one person at an instant; as it is where `at` is empty.

    Raises:
        Failure: as of `open_query`; or `at` is no instant.
    """
    with open_query(data) as query:
        if not at:
            yield query
            return
    try:
        instant = parse_micros(at)
    except (ValueError, OverflowError):
        raise Failure(
            f"--at {at} is no instant", "Write one such as 2026-01-31T10:00:00Z.", code=2
        ) from None
    with open_query_at(data, reference_of(person), instant) as then:
        yield then


def reference_of(person: str) -> str:
    """Return how a person is asked for: a bare word is a user id."""
    return person if ":" in person or person.startswith("p_") else f"user_id:{person}"


def nobody(person: str) -> Failure:
    """Return the complaint about a person whom nothing points at."""
    return Failure(
        f"nobody is known as `{person}`",
        "Write KIND:VALUE, such as user_id:17850 or email:ada@shop.example.",
    )


def unknown(kind: str, name: str, known: Iterable[str]) -> Failure:
    """Return the complaint about a segment or journey that is not there."""
    names = list(known)
    close = nearest(name, names)
    mend = f"Did you mean `{close}`?" if close else f"Known: {', '.join(names) or 'none'}."
    return Failure(f"there is no {kind} `{name}`", mend)
