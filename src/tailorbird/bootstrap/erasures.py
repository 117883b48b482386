"""The register of erasures, joined: read from a data folder or a file, and done after a restore."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import msgspec

from tailorbird.adapters.sqlite.connection import StorageProblem
from tailorbird.bootstrap.stores import erasure_salt, open_control, open_log
from tailorbird.events.event import ERASE
from tailorbird.services.erasure_register import Register, drafts_of, register_of

_FORMAT = 1


def read_register(place: Path) -> Register:
    """Return the register of a data folder, or of a file that `write_register` made.

    Raises:
        StorageProblem: it is neither, or a newer release made it.
    """
    if place.is_dir():
        if not (place / "log").is_dir():
            raise StorageProblem(
                f"{place} is no data folder (no log); give one, or a file of `tailorbird erasures`"
            )
        with closing(open_log(place)) as log, closing(open_control(place)) as control:
            return register_of(log.read_kind(ERASE), erasure_salt(control))
    try:
        found = msgspec.json.decode(place.read_bytes(), type=Register)
    except (OSError, msgspec.DecodeError) as problem:
        raise StorageProblem(f"{place} is no register of erasures: {problem}") from problem
    if found.format > _FORMAT:
        raise StorageProblem(f"{place} was made by a newer release; use that one")
    return found


def write_register(register: Register, file: Path) -> Register:
    """Add a register to that of a file, readable by its owner alone; return all of it.

    Raises:
        StorageProblem: the file holds something else, or cannot be written.
    """
    whole = read_register(file) if file.exists() else Register()
    whole.add(register)
    beside = file.with_name(f".{file.name}.part")
    try:
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
            out.write(msgspec.json.format(msgspec.json.encode(whole), indent=1) + b"\n")
            out.flush()
            os.fsync(out.fileno())
        beside.replace(file)
    except OSError as problem:
        raise StorageProblem(f"{file} cannot be written: {problem}") from problem
    return whole


def erase_again(data: Path, register: Register, now: int) -> int:
    """Put the erasures that a restored log lacks at its end; the server does them at its start.

    Returns:
        How many erasures were missing.
    """
    with closing(open_log(data, is_writer=True)) as log, closing(open_control(data)) as control:
        known = {one.erasure_id for one in register_of(log.read_kind(ERASE), "").erasures}
        missing = [one for one in register.erasures if one.erasure_id not in known]
        if register.salt:
            # A backup from before the first erasure has no salt yet.
            control.set_default("erasure_salt", register.salt)
        if missing:
            log.append(drafts_of(missing, log), now)
    return len(missing)
