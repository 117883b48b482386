"""`tailorbird dead-letters`: what was refused, and how it is mended and tried again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import yaml
from cyclopts import App, Parameter
from cyclopts.validators import Number
from rich.text import Text

from tailorbird import bootstrap
from tailorbird.base.time import format_micros, parse_micros
from tailorbird.bootstrap.local_host import local_host
from tailorbird.cli import output
from tailorbird.cli.output import OUTSIDE, Failure
from tailorbird.events.refusal import Rule
from tailorbird.ports.dead_letters import DeadLetters, Letter, Which
from tailorbird.ports.log_writer import LogWriter
from tailorbird.services.dead_letters import (
    ACCEPTED,
    KNOWN,
    LATER,
    REFUSED,
    Attempt,
    Replayer,
    group_json,
    letter_json,
)
from tailorbird.services.dead_letters import drop as drop_letters
from tailorbird.services.identity_rules import LiveRules
from tailorbird.services.learned import Learned
from tailorbird.services.mend import Mend, mend_from
from tailorbird.services.sources import LiveSources
from tailorbird.services.standardise import LiveStandardiser

app = App(name="dead-letters", help="Look at what was refused, mend it, try it again.")

Json = Annotated[bool, Parameter(name="--json", negative="")]
Data = Path("data")
_RAW_SHOWN = 70
_TRIED_SHOWN = 10


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Chosen:
    """Which items are meant: all that fit everything that is given."""

    rule: Annotated[str, Parameter(help="Only items that broke this rule.")] = ""
    field: Annotated[str, Parameter(help="Only items that broke it by this field.")] = ""
    source: Annotated[str, Parameter(help="Only items that came from this source.")] = ""
    since: Annotated[str, Parameter(help="Only items received since this instant.")] = ""
    before: Annotated[str, Parameter(help="Only items received before this instant.")] = ""
    text: Annotated[str, Parameter(help="Only items with this text in their bytes.")] = ""

    def which(self, ids: Sequence[int] = ()) -> Which:
        """Return it as the store takes it."""
        known = [one.value for one in Rule]
        if self.rule and self.rule not in known:
            raise Failure(f"there is no rule {self.rule}", f"Known: {', '.join(known)}.", code=2)
        return Which(
            ids=tuple(ids),
            rule=self.rule,
            field=self.field,
            source=self.source,
            since=_instant("--since", self.since),
            before=_instant("--before", self.before),
            text=self.text,
        )


@app.command(name="list")
def list_letters(
    *,
    chosen: Chosen | None = None,
    data: Path = Data,
    each: Annotated[bool, Parameter(negative="")] = False,
    limit: Annotated[int, Parameter(validator=Number(gte=1))] = 50,
    after: Annotated[int, Parameter(validator=Number(gte=0))] = 0,
    as_json: Json = False,
) -> int:
    """List refused items in groups of one reason, or each of them.

    ```
    tailorbird dead-letters list --data shop-data
    tailorbird dead-letters list --rule bad_timestamp --each --data shop-data
    ```

    Parameters
    ----------
    data
        The data folder.
    each
        List the items themselves, oldest first.
    limit
        Most of them to list.
    after
        With `--each`: only items after this number, to go on where the last list ended.
    as_json
        Print JSON.
    """
    which = (chosen or Chosen()).which()
    with _open(data) as letters:
        if each:
            found = letters.letters(which, after=after, limit=limit)
            _show_letters(found, as_json=as_json)
            return output.OK
        groups, totals = letters.groups(which), letters.totals()
    if as_json:
        output.write_json({"groups": [group_json(one) for one in groups], "totals": totals})
        return output.OK
    out = output.console()
    if not groups:
        out.print("Nothing is waiting here.")
        return output.OK
    table = output.table(">items", "rule", "field", "source", "last", "for example")
    for one in groups[:limit]:
        table.add_row(
            f"{one.count:,}",
            one.rule,
            Text(one.field),
            Text(one.source),
            format_micros(one.last_at)[:19],
            Text(f"{one.latest.id}: {one.latest.value}"[:_RAW_SHOWN]),
        )
    out.print(table)
    out.print(
        f"\nEver kept {totals.get('kept', 0):,}, replayed {totals.get('replayed', 0):,},"
        f" dropped {totals.get('dropped', 0):,}, expired {totals.get('expired', 0):,}."
        " `tailorbird dead-letters show NUMBER` shows one."
    )
    return output.OK


@app.command
def show(number: int, /, *, data: Path = Data, as_json: Json = False) -> int:
    """Show one refused item: why, from where, and its bytes.

    Parameters
    ----------
    number
        Of the item, as `list` tells it.
    data
        The data folder.
    as_json
        Print a JSON object.
    """
    with _open(data) as letters:
        found = letters.letters(Which(ids=(number,)), limit=1)
    if not found:
        raise Failure(f"there is no refused item {number}", "It may have been replayed or dropped.")
    if as_json:
        output.write_json(letter_json(found[0]))
        return output.OK
    letter = found[0]
    out = output.console()
    out.print(Text(f"{letter.id}  {letter.rule} in {letter.field or 'the whole'}", "bold"))
    out.print(Text(letter.detail))
    out.print(
        f"received {format_micros(letter.at)} from {letter.source}, call {letter.call or '-'}"
    )
    out.print(Text(_pretty(letter.raw)))
    return output.OK


@app.command
def replay(
    numbers: Annotated[tuple[int, ...], Parameter(negative="")] = (),
    /,
    *,
    chosen: Chosen | None = None,
    mend: Path | None = None,
    set_: Annotated[tuple[str, ...], Parameter(name="--set", negative="")] = (),
    rename: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    drop: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    dry_run: Annotated[bool, Parameter(negative="")] = False,
    data: Path = Data,
    as_json: Json = False,
) -> int:
    """Try refused items again, mended or not: each counts once, whenever it is tried.

    Exits with 1 where some are refused still; they stay, with the new reason.

    ```
    tailorbird dead-letters replay --rule nobody --set userId=properties.customer --dry-run
    tailorbird dead-letters replay 17 18 --rename properties.when=timestamp --data shop-data
    ```

    Parameters
    ----------
    numbers
        Of the items; without any, all that are chosen.
    mend
        A YAML file with set, rename and drop.
    set_
        PATH=VALUE: a path in the item, or an expression such as 'EUR' or properties.net * 1.2.
    rename
        OLD=NEW paths.
    drop
        Paths to take away.
    dry_run
        Only tell what would become of them.
    data
        The data folder; works beside a running server and where none runs.
    as_json
        Print a JSON object: counts, attempts.
    """
    which = (chosen or Chosen()).which(numbers)
    made = _mend(mend, set_, rename, drop)
    with _open(data) as letters:
        attempts = asyncio.run(_replay(data, letters, which, made, is_dry=dry_run))
    counts = {
        status: sum(one.status == status for one in attempts)
        for status in (ACCEPTED, KNOWN, REFUSED, LATER)
    }
    if as_json:
        output.write_json(
            {
                "dry_run": dry_run,
                "counts": counts,
                "events": sum(one.events for one in attempts),
                "attempts": [one.to_json() for one in attempts],
            }
        )
    else:
        _show_attempts(attempts, counts, is_dry=dry_run)
    return output.WRONG if counts[REFUSED] or counts[LATER] else output.OK


@app.command
def drop(
    numbers: Annotated[tuple[int, ...], Parameter(negative="")] = (),
    /,
    *,
    chosen: Chosen | None = None,
    data: Path = Data,
) -> int:
    """Drop refused items for good: those that are named, or all that are chosen.

    ```
    tailorbird dead-letters drop --rule not_json --before 2026-01-01T00:00:00Z --data shop-data
    ```

    Parameters
    ----------
    numbers
        Of the items.
    data
        The data folder.
    """
    which = (chosen or Chosen()).which(numbers)
    if which == Which():
        raise Failure("nothing says which items", "Name numbers, or choose by --rule and so on.")
    with _open(data) as letters:
        count = drop_letters(letters, which)
    output.console().print(f"{count:,} dropped.")
    return output.OK


async def _replay(
    data: Path, letters: DeadLetters, which: Which, mend: Mend | None, *, is_dry: bool
) -> list[Attempt]:
    if bootstrap.is_writer_listening(data) or is_dry:
        writer = bootstrap.open_writer_client(data)
        try:
            return await _replayer(data, letters, writer).replay(which, mend, is_dry=is_dry)
        finally:
            await writer.close()
    with local_host(data, bootstrap.clock_kind(data)) as host:
        found = await _replayer(data, letters, host).replay(which, mend)
        await host.settle()
        return found


def _replayer(data: Path, letters: DeadLetters, writer: LogWriter) -> Replayer:
    control = bootstrap.open_control(data)
    rules = LiveRules(control)
    places = partial(bootstrap.open_places, control)
    return Replayer(
        letters,
        writer,
        bootstrap.open_clock(data, bootstrap.clock_kind(data)),
        rules=rules,
        standardise=LiveStandardiser(control, rules, places, Learned(control)),
        sources=LiveSources(control),
    )


def _mend(
    file: Path | None, set_: Sequence[str], rename: Sequence[str], drop_: Sequence[str]
) -> Mend | None:
    found: dict[str, Any] = {}
    if file is not None:
        try:
            found = yaml.safe_load(file.read_text("utf-8")) or {}
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as problem:
            raise Failure(f"{file} cannot be read: {problem}", code=2) from None
    for name, pairs in (("set", set_), ("rename", rename)):
        for pair in pairs:
            path, sign, value = pair.partition("=")
            if not sign:
                raise Failure(f"--{name} {pair} has no `=`", f"Write --{name} PATH=VALUE.", code=2)
            found.setdefault(name, {})[path.strip()] = _plain(value) if name == "set" else value
    if drop_:
        found["drop"] = [*found.get("drop", []), *drop_]
    return mend_from(found) if found else None


def _plain(text: str) -> Any:
    """Return a number where one is written; every other text is a path or an expression."""
    try:
        found = json.loads(text)
    except ValueError:
        return text
    return found if isinstance(found, (int, float, bool)) else text


@contextmanager
def _open(data: Path) -> Iterator[DeadLetters]:
    if not (data / "control.db").is_file():
        raise Failure(
            f"{data} is no data folder of a server",
            "Give the one that `tailorbird serve --data` was given.",
            code=OUTSIDE,
        )
    with closing(bootstrap.open_dead_letters(data)) as letters:
        yield letters


def _instant(option: str, text: str) -> int | None:
    if not text:
        return None
    try:
        return parse_micros(text)
    except (ValueError, OverflowError):
        raise Failure(
            f"{option} {text} is no instant", "Write one such as 2026-01-31T10:00:00Z.", code=2
        ) from None


def _show_letters(letters: Sequence[Letter], *, as_json: bool) -> None:
    if as_json:
        output.write_json([letter_json(one) for one in letters])
        return
    table = output.table(">number", "received", "rule", "field", "source", "bytes")
    for one in letters:
        raw = one.raw[:_RAW_SHOWN].decode("utf-8", "replace")
        table.add_row(
            str(one.id),
            format_micros(one.at)[:19],
            one.rule,
            Text(one.field),
            Text(one.source),
            Text(" ".join(raw.split())),
        )
    output.console().print(table)


def _show_attempts(attempts: Sequence[Attempt], counts: dict[str, int], *, is_dry: bool) -> None:
    out = output.console()
    word = "would be " if is_dry else ""
    events = sum(one.events for one in attempts)
    out.print(
        f"{len(attempts):,} tried: {counts[ACCEPTED]:,} {word}accepted ({events:,} events),"
        f" {counts[KNOWN]:,} known already, {counts[REFUSED]:,} {word}refused."
    )
    if counts[LATER]:
        out.print(f"{counts[LATER]:,} were not taken by the log: try them again.")
    for one in [one for one in attempts if one.refusal is not None][:_TRIED_SHOWN]:
        assert one.refusal is not None
        error = one.refusal.to_json()
        out.print(Text(f"  {one.letter.id}: {error['message']}. {error['mend']}"))
    if is_dry:
        for one in attempts[:1]:
            out.print(Text(f"\n{one.letter.id} as it came:\n{_pretty(one.letter.raw)}"))
            for raw in one.after[:1]:
                if raw != one.letter.raw:
                    out.print(Text(f"mended:\n{_pretty(raw)}"))


def _pretty(raw: bytes) -> str:
    try:
        return json.dumps(json.loads(raw), indent=2, ensure_ascii=False)
    except ValueError:
        return raw.decode("utf-8", "replace")
