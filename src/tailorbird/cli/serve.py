"""`tailorbird serve`: runs the server of a workspace."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from tailorbird import bootstrap
from tailorbird.adapters.files import Keys, ensure_keys, read_folder
from tailorbird.base.time import format_micros
from tailorbird.cli import output
from tailorbird.services.publish import checked_workspace
from tailorbird.worker import supervisor
from tailorbird.worker.publisher import keep_published
from tailorbird.worker.settings import RoleSettings

Role = Literal["writer", "engine", "deliver", "web", "sources", "lake"]


def serve(
    *,
    workspace: Path = Path(),
    data: Path = Path("data"),
    host: str = "127.0.0.1",
    port: Annotated[int, Parameter(validator=Number(gte=1, lte=65_535))] = 8000,
    engines: Annotated[int, Parameter(validator=Number(gte=1, lte=64))] = 2,
    clock: Literal["system", "simulated"] | None = None,
    smtp_url: str = "",
    role: Role | None = None,
    index: Annotated[int, Parameter(validator=Number(gte=0, lte=63))] = 0,
    log_level: Literal["debug", "info", "warning", "error"] = "info",
) -> int:
    """Run the server of a workspace until Ctrl-C or SIGTERM.

    All roles run as processes of their own: the log's writer, the engines, the delivery of mail,
    the web server and, where the workspace has any, the reading of queues. A change of the
    workspace's files goes live without a restart; while a file is broken the version before stays
    live. `GET /health` answers 200 once everything is ready.

    ```
    tailorbird serve --workspace shop --data shop-data --port 8000
    ```

    Parameters
    ----------
    workspace
        The workspace folder.
    data
        Folder of everything that is stored; made where it is missing. It must be on a local disk.
    host
        Address to listen on.
    port
        Port to listen on.
    engines
        Number of engine processes. A data folder keeps the number that it began with.
    clock
        `simulated` stands still until `POST /v1/clock` moves it; for demos and tests. A data
        folder keeps the clock that it began with.
    smtp_url
        Mail server, instead of the one in tailorbird.toml. TAILORBIRD_SMTP_URL does the same
        and keeps a password out of the list of processes.
    role
        Run only this role, under a process manager of your own. The writer also publishes.
    index
        With `--role engine`: which of the engines this is, counted from 0.
    log_level
        Least level of the log lines (JSON, on standard error).
    """
    # A new server must not come up with nothing to serve; one that ran before keeps its version.
    files, _ = read_folder(workspace)
    bootstrap.prepare_data_folder(data)
    settings = RoleSettings(
        data=data.resolve(),
        workspace=workspace.resolve(),
        host=host,
        port=port,
        engines=engines,
        index=index,
        clock=_kept_clock(data, clock),
        smtp_url=smtp_url or os.environ.get("TAILORBIRD_SMTP_URL", ""),
        log_level=log_level,
    )
    _refuse_unless_live(settings, files)
    _keep_keys(settings, ensure_keys(settings.workspace))
    if role not in (None, "writer"):
        import_module(f"tailorbird.worker.{role}").main(settings.to_argv())
        return output.OK
    return _supervise(settings, role)


def _kept_clock(data: Path, asked: str | None) -> str:
    """Return the clock of a data folder; refuse the machine's where its time is simulated."""
    kept = bootstrap.clock_kind(data)
    if asked == "system" and kept == "simulated":
        now = bootstrap.open_clock(data, kept).now()
        raise output.Failure(
            f"the time of {data} is simulated and stands at {format_micros(now)}; by the machine's"
            " clock all of its people would grow that much older at once, for good",
            "Leave --clock out, or begin with another data folder.",
            code=output.USAGE,
        )
    return asked or kept


def _refuse_unless_live(settings: RoleSettings, files: dict[str, str]) -> None:
    """Refuse to start with a broken workspace where no earlier version could be served instead."""
    workspace, problems = checked_workspace(files)
    if workspace is not None:
        return
    control = bootstrap.open_control(settings.data)
    try:
        live = control.get("live_version")
    finally:
        control.close()
    if live is None:
        output.show_problems(problems, is_failure=True)
        raise output.Failure(
            "the workspace is broken, and no earlier version is there to be served",
            "Mend what is listed above; `tailorbird check` tells when all is well.",
        )


def _keep_keys(settings: RoleSettings, keys: Keys) -> None:
    control = bootstrap.open_control(settings.data)
    try:
        if control.key_role(keys.write_key) != "write":
            control.add_key(keys.write_key, "write")
        if control.key_role(keys.admin_key) != "admin":
            control.add_key(keys.admin_key, "admin")
    finally:
        control.close()


def _supervise(settings: RoleSettings, role: Role | None) -> int:
    publishing = keep_published(settings.workspace, settings.data)
    if role is not None:
        return supervisor.serve(settings, roles=(role,), background=(publishing,))
    output.console().print(
        f"Serving {settings.workspace} at http://{settings.host}:{settings.port} (Ctrl-C stops)."
    )
    if settings.clock == "simulated":
        now = bootstrap.open_clock(settings.data, "simulated", is_writer=True).now()
        output.console().print(
            f"Its time is simulated: it stands at {format_micros(now)} until POST /v1/clock moves"
            " it."
        )
    return supervisor.serve(settings, background=(publishing,))
