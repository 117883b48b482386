"""`tailorbird plan`, `apply`, `rollback`: what a change would do, then just that."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number
from rich.console import Console

from tailorbird import bootstrap
from tailorbird.adapters.files import read_folder
from tailorbird.base.problems import Problem
from tailorbird.base.time import format_micros
from tailorbird.bootstrap.apply import PlanIsOld, apply_plan
from tailorbird.bootstrap.plan import make_plan
from tailorbird.cli import output
from tailorbird.cli.filling import filling_shown
from tailorbird.cli.output import OUTSIDE, Failure
from tailorbird.cli.plan_text import show_plan
from tailorbird.ports.control_store import LIVE_VERSION
from tailorbird.services.filling_status import CANCEL, PREPARING
from tailorbird.services.plan import keep_plan, kept_plan
from tailorbird.services.publish import checked_workspace, lived_versions, waits_for_apply
from tailorbird.workspace.former import own_files

# Ten years of messages.
DAYS_MAX = 3_660

Json = Annotated[bool, Parameter(name="--json", negative="")]


def plan(
    *,
    workspace: Path = Path(),
    data: Path = Path("data"),
    days: Annotated[int, Parameter(validator=Number(gte=0, lte=DAYS_MAX))] = 14,
    text: Annotated[bool, Parameter(negative="")] = False,
    as_json: Json = False,
) -> int:
    """Tell what the definitions of a folder would do if they went live now.

    Who would enter and leave each segment, what becomes of the people in journeys, what the coming
    days bring, which mails the last days would have brought, and templates tried on real people.
    Nothing is changed. Exits with 1 where a fault keeps the definitions from going live or a
    template fails, else with 0.

    ```
    tailorbird plan --workspace shop --data shop-data
    tailorbird apply 954626847fd7 --data shop-data
    ```

    Parameters
    ----------
    workspace
        The folder with the definitions.
    data
        The data folder; a server may run on it.
    days
        Of how many days before now to tell the messages; 0 leaves that out.
    text
        Show the differences of the files in full.
    as_json
        Print a JSON object.
    """
    files, unreadable = read_folder(workspace)
    made = _plan(files, unreadable, data, days, as_json=as_json)
    has_faults = any(one["faults"] for one in made["templates"])
    if as_json:
        output.write_json(made)
    else:
        show_plan(made, is_full=text)
        if made["changes"]:
            output.console().print(
                f"\nApply just this with `tailorbird apply {made['plan']} --data {data}`."
            )
    return output.WRONG if has_faults else output.OK


def apply(
    name: str = "",
    /,
    *,
    workspace: Path = Path(),
    data: Path = Path("data"),
    yes: Annotated[bool, Parameter(negative="")] = False,
    cancel: Annotated[bool, Parameter(negative="")] = False,
    as_json: Json = False,
) -> int:
    """Make a plan live: just that, or it is told what changed since.

    Without a name the folder is planned and applied in one go; on a terminal you are asked first.
    Works on a running server, and where none runs. Exits with 1 where the plan does not hold any
    more: then nothing was changed.

    What people did before is folded first where there is much of it, and the server goes on with
    what is live meanwhile. Ctrl-C stops that, and applying again goes on where it was.

    ```
    tailorbird apply 954626847fd7 --data shop-data
    ```

    Parameters
    ----------
    name
        Of the plan, as `tailorbird plan` printed it.
    workspace
        Without a name: the folder to plan and apply.
    data
        The data folder.
    yes
        Do not ask.
    cancel
        Let a version that is being prepared not go live: what was live stays.
    as_json
        Print a JSON object: applied, version, segments with promised and now.
    """
    if cancel:
        return _cancel(data, as_json=as_json)
    if name:
        made, files = _kept(name, data)
    else:
        files, unreadable = read_folder(workspace)
        made = _plan(files, unreadable, data, 0, as_json=as_json)
        if not as_json:
            show_plan(made)
        if made["changes"] and not yes and not as_json and sys.stdin.isatty():
            output.console().print("\nApply this? Only `yes` will do: ", end="")
            if input().strip() != "yes":
                raise Failure("nothing was applied")
    return _apply(made, files, data, as_json=as_json)


def rollback(
    version: str = "",
    /,
    *,
    workspace: Path = Path(),
    data: Path = Path("data"),
    as_json: Json = False,
) -> int:
    """Make an earlier version live again, by default the one before.

    Segments are filled by its conditions, people in journeys go on as it says. The folder's files
    stay as they are: bring them in line, or the next save or apply undoes this.

    ```
    tailorbird rollback --data shop-data
    ```

    Parameters
    ----------
    version
        The beginning of its name; by default what was live before.
    workspace
        The folder of the workspace, looked at for whether saving it makes it live.
    data
        The data folder.
    as_json
        Print a JSON object, as `apply` does.
    """
    _refuse_no_data(data)
    with closing(bootstrap.open_control(data)) as control:
        live = control.get(LIVE_VERSION)
        lived = lived_versions(control)
        found = [(one, at) for one, at in lived if one != live and one.startswith(version)]
        if not found:
            known = ", ".join(
                f"{one[:8]} ({format_micros(at)})" for one, at in lived if one != live
            )
            raise Failure(
                f"no version {version or 'before this one'} was live in {data}",
                f"Known: {known}." if known else "This is the first one.",
            )
        files = own_files(control.load_version(found[-1][0]))
    made = _plan(files, [], data, 0, as_json=as_json)
    code = _apply(made, files, data, as_json=as_json)
    if not as_json and (workspace / "tailorbird.toml").is_file():
        folder, _ = read_folder(workspace)
        if folder != files and not waits_for_apply(folder):
            output.console().print(
                f"The files in {workspace} say something else; they go live again when one is"
                " saved or the server starts. Take them back as well, or set"
                " `publish_on_save = false`."
            )
    return code


def _cancel(data: Path, *, as_json: bool) -> int:
    _refuse_no_data(data)
    with closing(bootstrap.open_control(data)) as control:
        preparing = json.loads(control.get(PREPARING) or "null")
        if preparing is not None:
            control.set(CANCEL, preparing["version"])
    version = preparing["version"] if preparing else None
    if as_json:
        output.write_json({"cancelled": version})
    elif version is None:
        output.console().print("Nothing is being prepared: there is nothing to cancel.")
    else:
        output.console().print(f"Version {version[:8]} will not go live.")
    return output.OK


def _apply(made: Mapping[str, Any], files: Mapping[str, str], data: Path, *, as_json: bool) -> int:
    if not made["changes"]:
        if as_json:
            output.write_json({"applied": False, "version": made["base"], "segments": {}})
        else:
            output.console().print("Nothing to apply: these definitions are live.")
        return output.OK
    try:
        with filling_shown(data):
            sizes = apply_plan(data, made, files)
    except PlanIsOld as old:
        if as_json:
            output.write_json({"applied": False, "changed_since": old.changes})
            return output.WRONG
        raise Failure(
            "the plan does not hold any more:\n  " + "\n  ".join(old.changes),
            "Nothing was applied. Make it again with `tailorbird plan`.",
        ) from None
    if as_json:
        output.write_json({"applied": True, "version": made["version"], "segments": sizes})
        return output.OK
    out = output.console()
    out.print(f"\nVersion {made['version'][:8]} is live.")
    table = output.table("segment", ">promised", ">now")
    for name, one in sizes.items():
        table.add_row(name, f"{one['promised']:,}", f"{one['now']:,}")
    if sizes:
        out.print(table)
    return output.OK


def _plan(
    files: Mapping[str, str],
    unreadable: Sequence[Problem],
    data: Path,
    days: int,
    *,
    as_json: bool,
) -> dict[str, Any]:
    _refuse_no_data(data)
    workspace, found = checked_workspace(files)
    problems = [*unreadable, *found]
    if workspace is None or any(one.severity == "error" for one in problems):
        if as_json:
            output.write_json({"plan": None, "problems": [one.to_json() for one in problems]})
        output.show_problems(problems, is_failure=True)
        raise Failure("these definitions cannot go live", "Mend what is listed above.")
    errors = Console(stderr=True, highlight=False)
    with errors.status("planning") as status:
        made = make_plan(data, workspace, files, problems, past_days=days, tell=status.update)
    with closing(bootstrap.open_control(data)) as control:
        keep_plan(control, made, files)
    return made


def _kept(name: str, data: Path) -> tuple[dict[str, Any], dict[str, str]]:
    _refuse_no_data(data)
    with closing(bootstrap.open_control(data)) as control:
        found = kept_plan(control, name)
    if found is None:
        raise Failure(
            f"no plan {name} is kept in {data}",
            "Make one with `tailorbird plan`; it tells its name.",
        )
    return found


def _refuse_no_data(data: Path) -> None:
    if not (data / "control.db").is_file():
        raise Failure(
            f"{data} is no data folder of a server",
            "Give the one that `tailorbird serve --data` was given.",
            code=OUTSIDE,
        )
