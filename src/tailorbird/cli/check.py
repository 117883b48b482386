"""`tailorbird check`: all faults of a workspace together."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from tailorbird.adapters.files import read_folder
from tailorbird.cli import output
from tailorbird.services.publish import checked_workspace


def check(
    folder: Path = Path(),
    /,
    *,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Check a workspace: every fault with its file, line, column and what to do about it.

    Exits with 1 where a fault keeps the workspace from going live; warnings do not.

    ```
    tailorbird check
    tailorbird check shop --json
    ```

    Parameters
    ----------
    folder
        The workspace folder, by default the current one.
    as_json
        Print a JSON object: ok, version, problems.
    """
    files, unreadable = read_folder(folder)
    workspace, found = checked_workspace(files)
    problems = [*unreadable, *found]
    errors = sum(problem.severity == "error" for problem in problems)
    if as_json:
        output.write_json(
            {
                "ok": not errors,
                "version": workspace.version if workspace is not None and not errors else None,
                "problems": [problem.to_json() for problem in problems],
            }
        )
        return output.WRONG if errors else output.OK
    output.show_problems(problems)
    out = output.console()
    if errors or workspace is None:
        out.print(f"[red]{errors} to mend[/red], {len(problems) - errors} to look at.")
        return output.WRONG
    counts = (
        ("segment", workspace.segments),
        ("score", workspace.scores),
        ("interest", workspace.interests),
        ("source", workspace.sources),
        ("journey", workspace.journeys),
        ("template", workspace.templates),
        ("list", workspace.lists),
    )
    said = ", ".join(f"{len(part)} {name}{'s' * (len(part) != 1)}" for name, part in counts)
    warned = f", {len(problems)} to look at" if problems else ""
    out.print(f"[green]All is well[/green]{warned}: {said}.")
    return output.OK
