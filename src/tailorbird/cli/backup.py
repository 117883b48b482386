"""`tailorbird backup`, `restore`, `release`: a copy of all that cannot be made again, and back."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter

from tailorbird import bootstrap
from tailorbird.base.time import format_micros, parse_micros
from tailorbird.bootstrap.backup import damages, make_backup, read_manifest, restore_backup
from tailorbird.cli import output
from tailorbird.cli.output import OUTSIDE, Failure

_SHOWN_MAX = 50
_DROPPED = "dropped after a restore: it may have been sent before"

Json = Annotated[bool, Parameter(name="--json", negative="")]


def backup(
    folder: Path,
    /,
    *,
    data: Path = Path("data"),
    verify: Annotated[bool, Parameter(negative="")] = False,
    as_json: Json = False,
) -> int:
    """Copy a server's data folder, while it runs, to a folder on another disk.

    The same folder again brings the copy up to date: full log files are copied once. A backup that
    was interrupted goes on; until it is finished the one before stands.

    ```
    tailorbird backup /mnt/backup/shop --data shop-data
    ```

    Parameters
    ----------
    folder
        Where the backup lies.
    data
        The data folder of the server.
    verify
        Read the whole backup again and compare every checksum.
    as_json
        Print the manifest as JSON.
    """
    out = output.console()
    made = make_backup(data, folder, (lambda _: None) if as_json else out.print)
    found = list(damages(folder, made)) if verify else []
    if as_json:
        output.write_json({**msgspec.to_builtins(made), "damages": found})
    elif found:
        out.print("\n".join(found))
    else:
        size = sum(one.bytes for one in made.files)
        out.print(
            f"{folder} holds the log up to record {made.log_end:,}"
            f" ({format_micros(made.log_now)}): {len(made.files)} files, {size:,} bytes"
            f"{', verified' if verify else ''}."
        )
    return output.WRONG if found else output.OK


def restore(
    folder: Path,
    /,
    *,
    data: Path,
    hold_until: str = "",
    erasures: Path | None = None,
    only_verify: Annotated[bool, Parameter(negative="")] = False,
    as_json: Json = False,
) -> int:
    """Make a new data folder from a backup, with delivery on hold for what may have been sent.

    Every checksum is compared first. The states are made again from the log when the server starts.
    Messages that fell due until now wait for `tailorbird release`: the server that was lost may
    have sent them after the backup.

    ```
    tailorbird restore /mnt/backup/shop --data shop-data
    ```

    Parameters
    ----------
    folder
        Where the backup lies.
    data
        The data folder to make; it must not hold anything.
    hold_until
        Instant until which messages that fall due wait to be released; now, if not given.
    erasures
        A data folder, or a file of `tailorbird erasures`, that is newer than the backup: who was
        erased there is erased again.
    only_verify
        Compare the checksums and restore nothing.
    as_json
        Print a JSON object: log_end, log_now, hold_until, held, erased_again.
    """
    if only_verify:
        found = list(damages(folder, read_manifest(folder)))
        output.console().print("\n".join(found) or f"All files of {folder} are as they were made.")
        return output.WRONG if found else output.OK
    done = restore_backup(folder, data, hold_until=_instant(hold_until), erasures=erasures)
    if as_json:
        output.write_json(
            {
                "log_end": done.manifest.log_end,
                "log_now": format_micros(done.manifest.log_now),
                "hold_until": format_micros(done.hold_until),
                "held": done.held,
                "erased_again": done.erased_again,
            }
        )
        return output.OK
    output.console().print(
        f"{data} holds the log up to record {done.manifest.log_end:,}"
        f" ({format_micros(done.manifest.log_now)}). Start the server on it: people, segments and"
        f" journeys are made again from the log. {done.held} message(s) are on hold, and so will"
        f" be all that fell due until {format_micros(done.hold_until)}: `tailorbird release`"
        " lists them once the server has caught up."
        + f" {done.erased_again} erasure(s) are done again at the start."
        * bool(erasures)
    )
    return output.OK


def release(
    messages: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    /,
    *,
    data: Path = Path("data"),
    send: Annotated[bool, Parameter(negative="")] = False,
    drop: Annotated[bool, Parameter(negative="")] = False,
    as_json: Json = False,
) -> int:
    """List messages that are on hold since a restore; let them go, or drop them.

    With neither `--send` nor `--drop` nothing is changed. What is let go is decided afresh: what
    has expired, or whom it must not reach any more, is not sent.

    ```
    tailorbird release --data shop-data
    ```

    Parameters
    ----------
    messages
        Ids of messages; all that are on hold, if none are given.
    data
        The data folder of the server, which may run.
    send
        Let the messages go.
    drop
        Settle the messages as suppressed: they were sent before, or are not wanted any more.
    as_json
        Print a JSON object: on_hold, messages, changed.
    """
    if send and drop:
        raise Failure("--send and --drop cannot both be", "Choose one.", code=output.USAGE)
    if not (data / "ledger.db").is_file():
        raise Failure(
            f"{data} has no ledger",
            "Give the folder that `tailorbird serve --data` was given.",
            code=OUTSIDE,
        )
    now = bootstrap.open_clock(data, bootstrap.clock_kind(data)).now()
    changed = 0
    with closing(bootstrap.open_ledger(data, is_writer=True)) as ledger:
        if send:
            changed = ledger.release(now, messages or None)
        elif drop:
            changed = ledger.drop(now, _DROPPED, messages or None)
        left, found = ledger.count_on_hold(), ledger.on_hold(_SHOWN_MAX)
    if as_json:
        listed = [
            {
                "id": one.effect_id,
                "journey": one.journey,
                "step": one.step,
                "due_at": format_micros(one.due_at),
                "expires_at": format_micros(one.expires_at),
            }
            for one in found
        ]
        output.write_json({"on_hold": left, "messages": listed, "changed": changed})
        return output.OK
    out = output.console()
    if send or drop:
        out.print(f"{changed} message(s) {'may go' if send else 'dropped'}.")
    if not left:
        out.print("No message is on hold.")
        return output.OK
    table = output.table("message", "journey", "step", "due", "expires")
    for one in found:
        due, expires = format_micros(one.due_at), format_micros(one.expires_at)
        table.add_row(one.effect_id, one.journey, one.step, due, expires)
    out.print(table)
    if left > len(found):
        out.print(f"... and {left - len(found)} more")
    out.print(f"{left} message(s) on hold: `--send` lets them go, `--drop` drops them.")
    return output.OK


def _instant(text: str) -> int | None:
    if not text:
        return None
    try:
        return parse_micros(text)
    except ValueError:
        raise Failure(
            f"--hold-until {text!r} is no instant",
            "Write it as 2026-06-01T12:00:00Z.",
            code=output.USAGE,
        ) from None
