"""The lake of a data folder: brought up to the log's end, and asked about everybody."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from tailorbird.adapters.lake.parquet import ParquetLake, write_survivors
from tailorbird.adapters.sqlite.connection import StorageProblem
from tailorbird.base.names import nearest
from tailorbird.base.time import DAY, format_micros
from tailorbird.bootstrap.stores import (
    open_identity,
    open_log,
    open_state,
    open_suppression,
    own,
)
from tailorbird.delivery.decide import MARKETING, address_of
from tailorbird.delivery.suppression import address_hash
from tailorbird.events.event import partition_of
from tailorbird.language import tree
from tailorbird.language.shape import children
from tailorbird.language.warehouse.embedded import Warehouse
from tailorbird.language.warehouse.frame import Frame
from tailorbird.language.warehouse.query import members_query
from tailorbird.ports.state_store import StateStore
from tailorbird.profiles.state import decode
from tailorbird.services.backfill import survivors
from tailorbird.services.explain import public_profile_id
from tailorbird.services.lake import export
from tailorbird.services.question import Preview, Question, warnings_of
from tailorbird.workspace.definitions import Workspace

LAKE = "lake"
MEMBERS_SHOWN = 10
DAYS_SHOWN = 30
_WAIT_SECONDS = 60.0
_PAGE = 5_000


def open_lake(data: Path) -> ParquetLake:
    """Open the lake of a data folder, as far as it has come."""
    return ParquetLake(data / LAKE)


def bring_up_lake(data: Path, tell: Callable[[int], None] = lambda offset: None) -> ParquetLake:
    """Bring the lake up to the end of the log; waits for another who does it.

    Raises:
        StorageProblem: somebody else is at it for too long.
    """
    lake = open_lake(data)
    with _alone(data), closing(open_log(data)) as log:
        export(log, lake, tell)
        lake.compact()
    return lake


@contextmanager
def _alone(data: Path) -> Iterator[None]:
    until = time.monotonic() + _WAIT_SECONDS
    while True:
        try:
            ownership = own(data, LAKE)
        except StorageProblem:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
        else:
            break
    try:
        yield
    finally:
        ownership.release()


class LakeAsker:
    """Asks conditions of everybody, as known at an instant. Close it when done."""

    def __init__(self, data: Path, now: int) -> None:
        """`now` is microseconds UTC."""
        self._data = data
        self.now = now
        self._things = ExitStack()
        lake = bring_up_lake(data)
        self._files = [str(path) for path in lake.event_files()]
        self._warehouse: Warehouse | None = None
        if self._files:
            folder = Path(self._things.enter_context(tempfile.TemporaryDirectory()))
            self._warehouse = Warehouse(
                self._files, merges=self._write_merges(folder), only_promoted=lake.promoted()
            )
            self._things.callback(self._warehouse.close)
            self._warehouse.ask_everybody()

    def close(self) -> None:
        """Close what was opened."""
        self._things.close()

    def members(self, node: tree.Node, question: Question, at: int | None = None) -> list[int]:
        """Return the profile ids of those for whom a condition holds.

        Raises:
            WarehouseError: a warehouse cannot be asked this.
        """
        if self._warehouse is None:
            return []
        frame = Frame(now=self.now if at is None else at, promoted=self._warehouse.promoted)
        query = members_query(node, frame, question.given)
        return sorted(row[0] for row in self._warehouse.connection.execute(query.text()).fetchall())

    def people(self) -> int:
        """Return how many people there are."""
        if self._warehouse is None:
            return 0
        (row,) = self._warehouse.connection.execute("SELECT count(*) FROM asked").fetchall()
        return int(row[0])

    def unknown_events(self, node: tree.Node) -> list[str]:
        """Return warnings about events that never came, with the nearest that did."""
        if self._warehouse is None:
            return []
        rows = self._warehouse.connection.execute("SELECT DISTINCT event FROM events").fetchall()
        known = {row[0] for row in rows}
        found = []
        for name in sorted(_events_in(node) - known):
            close = nearest(name, sorted(known))
            meant = f"; did you mean {close}?" if close else ""
            found.append(f"no event {name} ever came{meant}")
        return found

    def _write_merges(self, folder: Path) -> str | None:
        with closing(open_log(self._data)) as log:
            found = survivors(log, log.end())
        if not found:
            return None
        write_survivors(found, folder / "merges.parquet")
        return str(folder / "merges.parquet")


def count(data: Path, question: Question, now: int) -> Preview:
    """Count the people for whom a condition holds."""
    with closing(LakeAsker(data, now)) as asker:
        begun = time.perf_counter()
        size = len(asker.members(question.node, question))
        seconds = time.perf_counter() - begun
        warnings = [*question.warnings, *asker.unknown_events(question.node)]
    return Preview(size=size, seconds=seconds, warnings=warnings)


def preview(data: Path, question: Question, workspace: Workspace, now: int) -> Preview:
    """Tell what a segment with this condition would be: size, who can be reached, how it narrows.

    Raises:
        WarehouseError: a warehouse cannot be asked this.
    """
    with ExitStack() as things:
        asker = things.enter_context(closing(LakeAsker(data, now)))
        begun = time.perf_counter()
        members = asker.members(question.node, question)
        found = Preview(size=len(members), seconds=time.perf_counter() - begun)
        found.people = asker.people()
        _narrow(found, asker, question)
        today = now // DAY * DAY
        for at in range(today - (DAYS_SHOWN - 1) * DAY, today + 1, DAY):
            size = len(asker.members(question.node, question, at))
            found.days.append((format_micros(at)[:10], size))
        states: list[StateStore] = [
            things.enter_context(closing(open_state(data, int(path.stem))))
            for path in sorted((data / "state").glob("*.db"), key=lambda one: int(one.stem))
        ]
        sizes = _compare(found, states, set(members))
        _reach(found, data, states, members, workspace, things)
        found.warnings = [
            *question.warnings,
            *asker.unknown_events(question.node),
            *warnings_of(found, sizes),
        ]
    return found


def _narrow(found: Preview, asker: LakeAsker, question: Question) -> None:
    parts: list[tree.Node] = []
    for text, part in question.parts():
        parts.append(part)
        whole = tree.And(parts=tuple(parts)) if len(parts) > 1 else part
        found.funnel.append((text, len(asker.members(whole, question))))


def _compare(found: Preview, states: Sequence[StateStore], members: set[int]) -> dict[str, int]:
    """Count whom it shares with the segments that are live."""
    sizes: dict[str, int] = {}
    shared: dict[str, int] = {}
    for state in states:
        for name, size in state.segment_sizes().items():
            sizes[name] = sizes.get(name, 0) + size
            after = -1
            while page := state.members(name, after, _PAGE):
                shared[name] = shared.get(name, 0) + sum(one in members for one, _ in page)
                after = page[-1][0]
    overlaps = [(name, shared[name], sizes[name]) for name in shared if shared[name]]
    found.overlaps = sorted(overlaps, key=lambda one: -one[1])
    return sizes


def _reach(
    found: Preview,
    data: Path,
    states: Sequence[StateStore],
    members: Sequence[int],
    workspace: Workspace,
    things: ExitStack,
) -> None:
    """Count who can be mailed, and show some members."""
    identity = things.enter_context(closing(open_identity(data)))
    suppression = things.enter_context(closing(open_suppression(data)))
    demands = workspace.settings.demands_consent
    reachable = 0
    for start in range(0, len(members), _PAGE):
        page = members[start : start + _PAGE]
        for index, state in enumerate(states):
            mine = [one for one in page if partition_of(one) % len(states) == index]
            for profile_id, data_of in state.profiles(mine).items():
                one = decode(data_of)
                traits = {name: trait.value for name, trait in one.traits.items()}
                address = address_of({"traits": traits, "unfit": one.unfit})
                consent = one.consents.get(MARKETING)
                if address is None:
                    found.without_address += 1
                elif suppression.reason(address_hash(address), MARKETING) is not None:
                    found.suppressed += 1
                elif consent.is_given if consent is not None else not demands:
                    reachable += 1
                else:
                    found.without_consent += 1
                if len(found.members) < MEMBERS_SHOWN:
                    known = [f"{kind}:{value}" for kind, value in identity.identifiers(profile_id)]
                    member = {"id": public_profile_id(profile_id), "known_as": known[:3]}
                    found.members.append(member)
    found.reachable = reachable


def _events_in(node: tree.Node) -> set[str]:
    found = set()
    if isinstance(node, tree.Aggregate):
        found |= {selector.event for selector in node.selectors}
    for child in children(node):
        found |= _events_in(child)
    return found
