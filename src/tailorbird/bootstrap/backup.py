"""Backup and restore of a data folder, joined: files, then what the restored server must know."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from tailorbird import __version__
from tailorbird.adapters.sqlite.backup import Manifest, back_up, damages, lay_out, read_manifest
from tailorbird.adapters.sqlite.connection import StorageProblem
from tailorbird.base.time import DAY, format_micros
from tailorbird.bootstrap.erasures import erase_again, read_register
from tailorbird.bootstrap.lake_keeper import begin_anew
from tailorbird.bootstrap.stores import (
    clock_kind,
    open_clock,
    open_control,
    open_ledger,
    open_log,
    prepare_data_folder,
)
from tailorbird.ports.control_store import HOLD_UNTIL
from tailorbird.services.erase import DONE
from tailorbird.services.erasure_register import Register

__all__ = ["Manifest", "Restored", "damages", "make_backup", "read_manifest", "restore_backup"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What came back: `held` messages wait to be released, and all due by `hold_until` will."""

    manifest: Manifest
    hold_until: int
    held: int
    erased_again: int = 0


def make_backup(data: Path, folder: Path, tell: Callable[[str], None]) -> Manifest:
    """Copy a data folder, whose server may run.

    Raises:
        StorageProblem: it is none, or the copy could not be finished.
    """
    made_at = format_micros(open_clock(data, "system").now())
    return back_up(data, folder, release=__version__, made_at=made_at, tell=tell)


def restore_backup(
    folder: Path, data: Path, *, hold_until: int | None = None, erasures: Path | None = None
) -> Restored:
    """Make a data folder from a backup, with delivery on hold for what may have been sent since.

    `hold_until` is now, if not given; for a simulated clock what it showed at the backup.
    `erasures` is a newer data folder or a register: who was erased there is erased again.

    Raises:
        StorageProblem: the backup is damaged, or the data folder holds something already.
    """
    if data.is_dir() and any(data.iterdir()):
        raise StorageProblem(
            f"{data} is not empty; restore into a new folder, or move that one away first"
        )
    register = read_register(erasures) if erasures is not None else Register()
    prepare_data_folder(data)  # refuses a network disk
    fresh = data.with_name(f".{data.name}.restoring")
    manifest = lay_out(folder, fresh)
    clock = clock_kind(fresh)
    if hold_until is None:
        hold_until = open_clock(fresh, clock).now()
    hold_until = max(hold_until, manifest.log_now)
    with closing(open_log(fresh)) as log:
        end = log.end()
        if end != manifest.log_end:
            raise StorageProblem(
                f"the restored log ends at {end} instead of {manifest.log_end}; use another backup"
            )
    with closing(open_ledger(fresh, is_writer=True)) as ledger:
        held = ledger.put_on_hold(hold_until, end)
        # The log was copied first: it may lack outcomes that the ledger has as reported.
        ledger.report_again(manifest.log_now - DAY)
    with closing(open_control(fresh)) as control:
        control.set(HOLD_UNTIL, str(hold_until))
        # A log file may have been copied before an erasure reached it: all are done again.
        for name in control.named(DONE):
            control.remove(name)
        begin_anew(control)
    erased_again = erase_again(fresh, register, open_clock(fresh, clock).now())
    data.rmdir()
    fresh.rename(data)
    return Restored(manifest=manifest, hold_until=hold_until, held=held, erased_again=erased_again)
