"""`tailorbird shadow`: a draft lives what happens now, and sends nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from rich.progress import Progress, TextColumn
from rich.text import Text

from tailorbird.adapters.files import read_folder
from tailorbird.bootstrap.shadow import run_shadow
from tailorbird.cli import output
from tailorbird.cli.output import OUTSIDE, Failure
from tailorbird.cli.shadow_page import reasons_of, shadow_page
from tailorbird.language.plain import format_lapse
from tailorbird.language.values import Lapse
from tailorbird.services.publish import checked_workspace
from tailorbird.workspace.durations import parse_duration

_LEFT = (
    "A message counts when nothing would have held it: consent, suppression, the cap and quiet"
    " hours are asked as at sending. No mail server is asked."
)
_CANNOT_TELL = (
    "A shadow cannot tell how people answer to mails that were never sent: the opens and clicks in"
    " it are those of the live mails."
)


def shadow(
    *,
    workspace: Path = Path(),
    data: Path = Path("data"),
    lasting: Annotated[str, Parameter(name="--for")] = "",
    html: Path | None = None,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Let the definitions of a workspace folder live what happens now, beside the live ones.

    Copies the states of a running server, makes the draft live in the copy, and follows the log.
    Nothing is sent, and nothing of the server is changed. Ctrl-C ends it; then it tells who would
    have been mailed, and is in a segment, by one of the two alone, and what consent, suppression,
    caps and quiet hours held back.

    ```
    tailorbird shadow --workspace draft --data shop-data --for 24h
    ```

    Parameters
    ----------
    workspace
        The folder with the definitions to try.
    data
        The data folder of the server.
    lasting
        How long, such as 24h, in the server's own time; by default until Ctrl-C.
    html
        Write a page with charts to this file as well; it needs nothing beside itself.
    as_json
        Print a JSON object.
    """
    files, unreadable = read_folder(workspace)
    definitions, found = checked_workspace(files)
    problems = [*unreadable, *found]
    if definitions is None or any(problem.severity == "error" for problem in problems):
        output.show_problems(problems, is_failure=True)
        raise Failure(f"the workspace in {workspace} is broken", "Mend what is listed above.")
    if not (data / "log").is_dir():
        raise Failure(
            f"{data} is no data folder of a server",
            "Give the one that `tailorbird serve --data` was given.",
            code=OUTSIDE,
        )
    if html is not None and not html.parent.is_dir():
        raise Failure(f"there is no folder {html.parent}", "Make it first.", code=OUTSIDE)
    micros = _micros(lasting) if lasting else None
    with Progress(
        TextColumn("{task.description}"), console=output.console(), transient=True, disable=as_json
    ) as progress:
        task = progress.add_task("copying the states")
        seen = run_shadow(
            data,
            definitions,
            files,
            micros=micros,
            tell=lambda records, passed: progress.update(
                task, description=f"{records:,} records in {format_lapse(Lapse(passed))}"
            ),
        )
    if html is not None:
        text = shadow_page(seen, definitions.settings.name, (_LEFT, _CANNOT_TELL))
        html.write_text(text, "utf-8")
    if as_json:
        output.write_json({**seen, "cannot_tell": _CANNOT_TELL})
    else:
        _show(seen)
        if html is not None:
            output.console().print(f"\nThe page with charts is {html}.")
    return output.OK


def _micros(text: str) -> int:
    try:
        duration = parse_duration(text)
    except ValueError as error:
        raise Failure(
            f"--for {text} is no time: {error}", "Write one such as 30m or 24h.", code=output.USAGE
        ) from None
    if duration.months or duration.micros <= 0:
        raise Failure(
            f"--for {text} is no time", "Write one such as 30m or 24h.", code=output.USAGE
        )
    return duration.micros


def _show(seen: dict[str, Any]) -> None:
    out = output.console()
    out.print(f"{seen['records']:,} records from {seen['from']} to {seen['to']}.\n")
    table = output.table("journey", ">draft", ">live", ">only draft", ">only live")
    for name, one in seen["journeys"].items():
        table.add_row(name, *(f"{one[key]:,}" for key in ("draft", "live")), *_only(one))
    if seen["journeys"]:
        out.print(table, "")
    for why, draft, live in reasons_of(seen):
        out.print(Text(f"{why}: {draft:,} (draft), {live:,} (live)"))
    table = output.table("segment", ">draft", ">live", ">only draft", ">only live", "came and went")
    for name, one in seen["segments"].items():
        moved = ", ".join(
            f"{side} +{one[side]['entered']:,} -{one[side]['left']:,}" for side in ("draft", "live")
        )
        sizes = (f"{one[side]['size']:,}" for side in ("draft", "live"))
        table.add_row(name, *sizes, *_only(one), moved)
    out.print(table, "")
    for side in ("draft", "live"):
        for name, one in seen["journeys"].items():
            for message in one[f"only_{side}_sample"]:
                who = ", ".join(message["known_as"]) or message["id"]
                line = f"  only {side}: {name}/{message['step']} to {who}, {message['left_at']}"
                out.print(Text(line))
    if seen["replaced_by"]:
        output.complain(
            "another version went live: what came after it is not in this", is_warning=True
        )
    out.print(Text(f"\n{_LEFT}\n{_CANNOT_TELL}", "dim"))


def _only(one: dict[str, Any]) -> tuple[str, str]:
    return f"{one['only_draft']:,}", f"{one['only_live']:,}"
