"""`tailorbird replay`, `rebuild`, `recompute`, `refold`, `unmerge`: the log reduced again."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, closing
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from cyclopts import Parameter
from cyclopts.validators import Number

from tailorbird import bootstrap
from tailorbird.bootstrap.definitions import workspace_loader
from tailorbird.bootstrap.lake_log import open_log_of_lake
from tailorbird.cli import output
from tailorbird.cli.output import OUTSIDE, Failure
from tailorbird.cli.reading import nobody, open_query, reference_of
from tailorbird.ports.state_store import StateStore
from tailorbird.services.advance import RECORDS_PER_COMMIT
from tailorbird.services.publish import Publisher
from tailorbird.services.replay import differences, replay_engine

T = TypeVar("T")
Batch = Annotated[int, Parameter(validator=Number(gte=1))]
Source = Annotated[Literal["log", "lake"], Parameter(name="--from")]

_SHOWN_MAX = 20


def replay(
    *,
    data: Path = Path("data"),
    batch: Batch = RECORDS_PER_COMMIT,
    source: Source = "log",
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Reduce the log again, as lived, and compare with the state: byte by byte.

    Nothing is changed and nothing is sent; the server may run meanwhile. Exits with 1 where the
    two differ: then `tailorbird rebuild` makes the state anew.

    ```
    tailorbird replay --data shop-data
    ```

    Parameters
    ----------
    data
        The data folder.
    batch
        Records that are reduced between two commits: it changes nothing in what comes out.
    source
        `lake` reads what the lake holds, and of the log only what came after it.
    as_json
        Print a JSON object: ok, profiles, differences.
    """
    engines = _engines(data)
    with tempfile.TemporaryDirectory(prefix="tailorbird-replay-") as folder, ExitStack() as things:
        # A copy stands still while the server goes on.
        lived = [
            things.enter_context(closing(bootstrap.copy_state(data, index, Path(folder, "lived"))))
            for index in range(engines)
        ]
        offsets = [one.offset() for one in lived]
        again = _reduce(data, Path(folder, "again"), offsets, batch, source, things)
        profiles = sum(one.count() for one in lived)
        found = list(differences(lived, again))
    if as_json:
        output.write_json(
            {"ok": not found, "profiles": profiles, "differences": [asdict(one) for one in found]}
        )
        return output.WRONG if found else output.OK
    out = output.console()
    for one in found[:_SHOWN_MAX]:
        out.print(f"{one.what} {one.name} {one.says}")
    if len(found) > _SHOWN_MAX:
        out.print(f"... and {len(found) - _SHOWN_MAX} more")
    if found:
        out.print(f"{len(found):,} differences. `tailorbird rebuild` makes the state anew.")
        return output.WRONG
    out.print(f"The {source} gives the same {profiles:,} profiles again, byte by byte.")
    return output.OK


def rebuild(
    *,
    data: Path = Path("data"),
    batch: Batch = RECORDS_PER_COMMIT,
    source: Source = "log",
) -> int:
    """Make the state anew from the log, as lived, and put it in the old one's place.

    The server must be stopped. The old state is kept as `state.before` until the next rebuild. No
    mail is sent twice: the ledger knows what went out.

    ```
    tailorbird rebuild --data shop-data
    ```

    Parameters
    ----------
    data
        The data folder.
    batch
        Records that are reduced between two commits.
    source
        `lake` reads what the lake holds, and of the log only what came after it: for a log of
        which an earlier file is damaged.
    """
    engines = _engines(data)
    if bootstrap.is_writer_listening(data):
        raise Failure(f"a server runs on {data}", "Stop it, then rebuild.", code=OUTSIDE)
    fresh, before = data / "state.new", data / "state.before"
    shutil.rmtree(fresh, ignore_errors=True)
    with ExitStack() as things:
        for index in range(engines):
            ownership = bootstrap.own(data, f"engine-{index}")
            things.callback(ownership.release)
        with ExitStack() as open_states:
            made = _reduce(data, fresh, [None] * engines, batch, source, open_states)
            profiles = sum(one.count() for one in made)
        shutil.rmtree(before, ignore_errors=True)
        (data / "state").rename(before)
        fresh.rename(data / "state")
    output.console().print(
        f"{profiles:,} profiles made anew from the {source}. The old state lies in {before}."
    )
    return output.OK


def recompute(*, data: Path = Path("data")) -> int:
    """Make all people anew from all their events, by today's definitions.

    Quietly: segments fill and empty, nobody is mailed for it, and who is inside a journey goes on.
    The server must run.

    ```
    tailorbird recompute --data shop-data
    ```

    Parameters
    ----------
    data
        The data folder.
    """
    _engines(data)
    version = asyncio.run(_publisher(data, Publisher.recompute))
    output.console().print(
        f"All people are being made anew by version {version[:8]}. `tailorbird doctor` and /health"
        " tell when the engines are done."
    )
    return output.OK


def refold(person: str, /, *, data: Path = Path("data"), reason: str = "asked for") -> int:
    """Make one person anew from all their events, by today's definitions, quietly.

    The server must run.

    ```
    tailorbird refold user_id:17850 --data shop-data
    ```

    Parameters
    ----------
    person
        KIND:VALUE, such as user_id:17850 or email:ada@shop.example; a bare user id; or p_...
    data
        The data folder.
    reason
        Kept in the log.
    """
    with open_query(data) as query:
        profile_id = query.profile_id(reference_of(person))
    if profile_id is None:
        raise nobody(person)
    asyncio.run(_publisher(data, lambda publisher: publisher.refold(profile_id, reason)))
    output.console().print(f"{person} is being made anew.")
    return output.OK


def unmerge(person: str, /, *, data: Path = Path("data")) -> int:
    """Let somebody who was merged into another be a person of their own again.

    Both are made anew from what each of them did, quietly: what came after the merge is told apart
    by the user id and the anonymous id that it was sent with. Sharing an identifier does not merge
    the two again; an alias call does. The server must run.

    ```
    tailorbird unmerge anonymous_id:9f3c --data shop-data
    ```

    Parameters
    ----------
    person
        An identifier that the one who was merged had before, as KIND:VALUE; or their p_...
    data
        The data folder.
    """
    with open_query(data) as query:
        if query.profile_id(reference_of(person)) is None:
            raise nobody(person)
        undone = query.merge_of(reference_of(person))
    if undone is None:
        raise Failure(
            f"`{person}` was not merged into another person",
            "Name an identifier that the one who was merged had before; `tailorbird profile show`"
            " lists them.",
        )
    asyncio.run(_publisher(data, lambda publisher: publisher.unmerge(undone)))
    names = ", ".join(f"{kind}:{value}" for kind, value in undone.identifiers)
    output.console().print(f"{names} is a person of their own again; both are being made anew.")
    return output.OK


async def _publisher(data: Path, act: Callable[[Publisher], Awaitable[T]]) -> T:
    if not bootstrap.is_writer_listening(data):
        raise Failure(f"no server runs on {data}", "Start `tailorbird serve` on it.", code=OUTSIDE)
    writer = bootstrap.open_writer_client(data)
    try:
        with closing(bootstrap.open_control(data)) as control:
            return await act(Publisher(control, writer))
    finally:
        await writer.close()


def _reduce(
    data: Path,
    folder: Path,
    until: list[int] | list[None],
    batch: int,
    source: str,
    things: ExitStack,
) -> list[StateStore]:
    """Reduce the log into fresh states, each to its offset."""
    if source == "lake" and find_spec("pyarrow") is None:
        raise Failure(
            "pyarrow is not installed", "Run: pip install 'tailorbird[warehouse]'", code=OUTSIDE
        )
    log = things.enter_context(
        open_log_of_lake(data) if source == "lake" else closing(bootstrap.open_log(data))
    )
    control = things.enter_context(closing(bootstrap.open_control(data)))
    load = workspace_loader(control)
    stores: list[StateStore] = []
    for index, offset in enumerate(until):
        store = things.enter_context(closing(bootstrap.make_state(folder, index)))
        # What deliver has taken over keeps its numbers.
        store.number_outbox_after(bootstrap.outbox_cursor(data, index)())
        replay_engine(log, store, load, index, len(until), until=offset, batch=batch)
        stores.append(store)
    return stores


def _engines(data: Path) -> int:
    if not (data / "control.db").is_file():
        raise Failure(
            f"{data} is no data folder of a server",
            "Give the one that `tailorbird serve --data` was given.",
            code=OUTSIDE,
        )
    with closing(bootstrap.open_control(data)) as control:
        known = control.get("engines")
    if known is None:
        raise Failure(
            "no engine has run in this data folder yet", "Start `tailorbird serve` on it once."
        )
    return int(known)
