"""`tailorbird erase`: makes all that is kept of a person unreadable, for good."""

from __future__ import annotations

import asyncio
import time
from contextlib import closing
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter

from tailorbird import bootstrap
from tailorbird.bootstrap.erasures import read_register, write_register
from tailorbird.cli import output
from tailorbird.cli.output import OUTSIDE, Failure
from tailorbird.cli.reading import nobody, open_query, reference_of
from tailorbird.events.event import Erase
from tailorbird.services.erase import ask_for, certificate, plan

_LOOK_SECONDS = 0.1


def erase(
    person: str,
    /,
    *,
    data: Path = Path("data"),
    dry_run: Annotated[bool, Parameter(negative="")] = False,
    seconds: float = 120.0,
) -> int:
    """Make all that is kept of a person unreadable, and print a certificate.

    Events, traits, identifiers, states and mails are overwritten, also in freed pages. Records of
    the log stay as empty stubs, so that nobody else's history changes. An address that wants no
    mail stays suppressed, as a salted hash. The server must run. It cannot be undone.

    ```
    tailorbird erase user_id:17850 --data shop-data --dry-run
    ```

    Parameters
    ----------
    person
        KIND:VALUE, such as user_id:17850 or email:ada@shop.example; a bare user id; or p_...
    data
        The data folder of the server.
    dry_run
        Only tell what would be erased.
    seconds
        How long to wait for the certificate; the server works on without you.
    """
    with (
        open_query(data) as query,
        closing(bootstrap.open_log(data)) as log,
        closing(bootstrap.open_identity(data)) as identity,
        closing(bootstrap.open_suppression(data)) as suppression,
        closing(bootstrap.open_control(data)) as control,
    ):
        profile_id = query.profile_id(reference_of(person))
        if profile_id is None:
            raise nobody(person)
        now = bootstrap.open_clock(data, bootstrap.clock_kind(data)).now()
        salt = bootstrap.erasure_salt(control)
        erase = plan(profile_id, query.state(profile_id), log, identity, suppression, salt, now)
        if dry_run:
            output.write_json(
                {
                    "profiles": [f"p_{one:016x}" for one in erase.profile_ids],
                    "identifiers": [f"{kind}:{value}" for kind, value in erase.identifiers],
                    "addresses": erase.addresses,
                    "messages": len(query.ledger.messages(profile_ids=erase.profile_ids, limit=-1)),
                    "addresses_that_stay_suppressed": len({one[0] for one in erase.suppressed}),
                }
            )
            return output.OK
        if not bootstrap.is_writer_listening(data):
            raise Failure(
                f"no server runs on {data}", "Start `tailorbird serve` on it.", code=OUTSIDE
            )
        if not asyncio.run(_ask(data, erase)):
            raise Failure("the log does not take it now", "Give the command again.", code=OUTSIDE)
        until = time.monotonic() + seconds
        while True:
            found = certificate(control, erase.erasure_id)
            if found is not None and found["status"] == "done":
                output.write_json(found)
                return output.OK
            if time.monotonic() > until:
                raise Failure(
                    f"erasure {erase.erasure_id} is in the log but not finished",
                    "The server works at it: GET /v1/erasures/ID gives the certificate later.",
                    code=OUTSIDE,
                )
            time.sleep(_LOOK_SECONDS)


def erasures(*, data: Path = Path("data"), to: Path | None = None) -> int:
    """Print the register of erasures, or add it to a file on another disk.

    It names nobody: a person is a hash. `tailorbird restore --erasures FILE` erases again whom a
    backup from before their erasure brings back. The server may run.

    ```
    tailorbird erasures --data shop-data --to /mnt/backup/erasures.json
    ```

    Parameters
    ----------
    data
        The data folder of the server.
    to
        The file; what it holds already stays.
    """
    found = read_register(data)
    if to is None:
        output.write_json(msgspec.to_builtins(found))
        return output.OK
    whole = write_register(found, to)
    output.console().print(f"{to} holds {len(whole.erasures)} erasure(s).")
    return output.OK


async def _ask(data: Path, erase: Erase) -> bool:
    writer = bootstrap.open_writer_client(data)
    try:
        return await ask_for(erase, writer)
    finally:
        await writer.close()
