"""What a segment would be before there is one: asked of the lake, compared with what is live.

Every question is bounded: what would take too long, or too much memory, is asked of a sample, and
the answer says so.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from itertools import chain, islice, zip_longest
from pathlib import Path

from tailorbird.base.problems import OperationalError
from tailorbird.base.time import DAY, format_micros
from tailorbird.bootstrap.lake import LakeAsker
from tailorbird.bootstrap.lake_keeper import mend_lake
from tailorbird.bootstrap.stores import (
    open_identity,
    open_ledger,
    open_state,
    open_suppression,
)
from tailorbird.bootstrap.unknown_names import unknown_names
from tailorbird.delivery.decide import MARKETING, address_of
from tailorbird.delivery.suppression import address_hash
from tailorbird.events.event import partition_of
from tailorbird.language.warehouse.errors import FilesError, TooMuchError
from tailorbird.ports.identity_store import IdentityStore
from tailorbird.ports.state_store import StateStore
from tailorbird.profiles.state import decode
from tailorbird.services.explain import public_profile_id
from tailorbird.services.question import (
    Preview,
    Question,
    beyond,
    estimate,
    nearness,
    warnings_of,
)
from tailorbird.workspace.definitions import Workspace

PEOPLE_SHOWN = 10
DAYS_SHOWN = 30
# How long each part of an answer may take.
SECONDS = 30.0
# Every how manieth person is asked: all, and where that is too much fewer and fewer.
SAMPLES = (1, 32, 1024)
_IDENTIFIERS_SHOWN = 3
_PAGE = 5_000


def count(data: Path, question: Question, now: int, *, seconds: float = SECONDS) -> Preview:
    """Count the people for whom a condition holds.

    Args:
        data: A server may run on it.
        question: The condition.
        now: As known at this instant, microseconds UTC.
        seconds: Most that the question may take; longer ones are asked of a sample.

    Raises:
        WarehouseError: a warehouse cannot be asked this.
        OperationalError: not even a sample can be asked in that time.
    """
    return _of_whole_files(data, lambda: _count(data, question, now, seconds))


def _count(data: Path, question: Question, now: int, seconds: float) -> Preview:
    with closing(LakeAsker(data, now)) as asker:
        found = Preview(size=0, seconds=0)
        _size(found, asker, question, seconds)
        found.warnings = [
            *asker.mended,
            *_of_the_size(found, seconds),
            *_of_history(asker, question, seconds),
        ]
    return found


def _of_whole_files(data: Path, ask: Callable[[], Preview]) -> Preview:
    """Ask; where files of the lake are damaged inside, once more when they have been made again."""
    try:
        return ask()
    except FilesError:
        mended = mend_lake(data)
        if not mended:
            raise
        found = ask()
        found.warnings = [*mended, *found.warnings]
        return found


def preview(
    data: Path, question: Question, workspace: Workspace, now: int, *, seconds: float = SECONDS
) -> Preview:
    """Tell what a segment with this condition would be: size, who can be reached, how it narrows.

    Args:
        data: A server may run on it.
        question: The condition.
        workspace: The definitions that decide who may be mailed.
        now: As known at this instant, microseconds UTC.
        seconds: Most that the size, the parts and the days may take each.

    Raises:
        WarehouseError: a warehouse cannot be asked this.
        OperationalError: not even a sample can be asked in that time.
    """
    return _of_whole_files(data, lambda: _preview(data, question, workspace, now, seconds))


def _preview(
    data: Path, question: Question, workspace: Workspace, now: int, seconds: float
) -> Preview:
    with ExitStack() as things:
        asker = things.enter_context(closing(LakeAsker(data, now)))
        identity = things.enter_context(closing(open_identity(data)))
        states: list[StateStore] = [
            things.enter_context(closing(open_state(data, int(path.stem))))
            for path in sorted((data / "state").glob("*.db"), key=lambda one: int(one.stem))
        ]
        found = Preview(size=0, seconds=0)
        one_in, members = _size(found, asker, question, seconds)
        found.people = asker.people() * one_in
        too_much = []
        for what, ask in (
            ("Its parts and examples", lambda: _narrow(found, asker, question, members, one_in)),
            ("The size by day", lambda: _days(found, asker, question, one_in, seconds)),
        ):
            if not _is_bounded(asker, seconds, ask):
                too_much.append(f"{what} would take more than {seconds:g} s: left out")
        _name(found, identity)
        sizes = _compare(found, states, set(members), one_in)
        _reach(found, data, states, members, workspace, now)
        found.capped *= one_in
        found.warnings = [
            *asker.mended,
            *_of_the_size(found, seconds),
            *too_much,
            *_of_history(asker, question, seconds),
            *warnings_of(found, sizes),
        ]
    return found


def _is_bounded(asker: LakeAsker, seconds: float, ask: Callable[[], None]) -> bool:
    try:
        with asker.within(seconds):
            ask()
    except TooMuchError:
        return False
    return True


def _size(
    found: Preview, asker: LakeAsker, question: Question, seconds: float
) -> tuple[int, list[int]]:
    """Count everybody, or a sample; return every how manieth was asked, and the members."""
    for one_in in SAMPLES:
        asker.sample(one_in)
        begun = time.perf_counter()
        try:
            with asker.within(seconds):
                members = asker.members(question.node, question)
                found.seconds = time.perf_counter() - begun
        except TooMuchError:
            continue
        found.size, found.error = estimate(len(members), one_in)
        found.estimate = one_in > 1
        return one_in, members
    raise OperationalError(
        f"the question takes more than {seconds:g} s even of one in {SAMPLES[-1]:,} people;"
        " ask a shorter window, or give it longer",
        is_retry_safe=True,
    )


def _of_the_size(found: Preview, seconds: float) -> list[str]:
    if not found.estimate:
        return []
    told = f"Asking everybody would take more than {seconds:g} s, or more memory than there is"
    return [f"{told}: counts are estimates from a sample, the size is right within {found.error:,}"]


def _of_history(asker: LakeAsker, question: Question, seconds: float) -> list[str]:
    asker.sample(1)
    return [
        *question.warnings,
        *unknown_names(asker, question, seconds),
        *beyond(question.node, asker.since, asker.now),
    ]


def _narrow(
    found: Preview, asker: LakeAsker, question: Question, members: Sequence[int], one_in: int
) -> None:
    """Count condition by condition; show members, and for whom one condition alone fails."""
    parts = question.parts()
    sizes = asker.narrow(parts, question)
    found.funnel = [
        (question.text_of(part), size * one_in) for part, size in zip(parts, sizes, strict=True)
    ]
    by_part = [
        asker.nearest(at, len(parts), nearness(part), question, PEOPLE_SHOWN)
        for at, part in enumerate(parts)
    ]
    turns = chain.from_iterable(
        [(at, one) for at, one in enumerate(turn) if one is not None]
        for turn in zip_longest(*by_part)
    )
    misses = {one: question.text_of(parts[at]) for at, one in islice(turns, PEOPLE_SHOWN)}
    shown = members[:PEOPLE_SHOWN]
    looked_at = asker.looked_at({*shown, *misses}, parts, question)
    found.members = [{"id": one, "conditions": looked_at[one]} for one in shown]
    found.near_misses = [
        {"id": one, "fails": fails, "conditions": looked_at[one]} for one, fails in misses.items()
    ]


def _name(found: Preview, identity: IdentityStore) -> None:
    for one in (*found.members, *found.near_misses):
        known = [f"{kind}:{value}" for kind, value in identity.identifiers(one["id"])]
        one["known_as"] = known[:_IDENTIFIERS_SHOWN]
        one["id"] = public_profile_id(one["id"])


def _days(
    found: Preview, asker: LakeAsker, question: Question, one_in: int, seconds: float
) -> None:
    """Ask for the size at each day's end; of a sample where everybody would take too long."""
    sampled = one_in
    if one_in == 1 and found.seconds * DAYS_SHOWN > seconds:
        sampled = SAMPLES[1]
        asker.sample(sampled)
    today = asker.now // DAY * DAY
    days = []
    for at in range(today - (DAYS_SHOWN - 1) * DAY, today + 1, DAY):
        end = min(at + DAY - 1, asker.now)
        size = asker.count(question.node, question, end) * sampled
        days.append((format_micros(at)[:10], size))
    found.days = days
    found.days_estimated = sampled > 1


def _compare(
    found: Preview, states: Sequence[StateStore], members: set[int], one_in: int
) -> dict[str, int]:
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
    overlaps = [(name, shared[name] * one_in, sizes[name]) for name in shared if shared[name]]
    found.overlaps = sorted(overlaps, key=lambda one: -one[1])
    return sizes


def _reach(
    found: Preview,
    data: Path,
    states: Sequence[StateStore],
    members: Sequence[int],
    workspace: Workspace,
    now: int,
) -> None:
    """Count who can be mailed."""
    demands, allowed = workspace.settings.demands_consent, workspace.settings.marketing_per_day
    reachable = 0
    with (
        closing(open_suppression(data)) as suppression,
        closing(open_ledger(data)) as ledger,
    ):
        capped = ledger.capped(now - DAY, allowed) if allowed else set()
        for start in range(0, len(members), _PAGE):
            page = members[start : start + _PAGE]
            for index, state in enumerate(states):
                mine = [one for one in page if partition_of(one) % len(states) == index]
                for data_of in state.profiles(mine).values():
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
                        found.capped += address in capped
                    else:
                        found.without_consent += 1
    found.reachable = reachable
