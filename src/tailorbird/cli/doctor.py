"""`tailorbird doctor`: is everything in place?"""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number
from rich.text import Text

from tailorbird import bootstrap
from tailorbird.adapters.files import FolderProblem, read_folder
from tailorbird.adapters.machine import MachineFacts
from tailorbird.bootstrap.integrity import FolderContents
from tailorbird.cli import output
from tailorbird.services.doctor import FAULT, OK, Patient, examine
from tailorbird.services.integrity import compare
from tailorbird.services.publish import checked_workspace
from tailorbird.workspace.definitions import WorkspaceSettings

_STYLES = {"ok": "green", "warning": "yellow", "fault": "red"}


def doctor(
    *,
    workspace: Path = Path(),
    data: Path = Path("data"),
    host: str = "127.0.0.1",
    port: Annotated[int, Parameter(validator=Number(gte=0, lte=65_535))] = 8000,
    quick: Annotated[bool, Parameter(negative="")] = False,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Look at the machine, the data folder, the workspace and the mail server.

    In the data folder: whether each file is sound, the log has no gap, and the others say what the
    log gives. The server may run meanwhile. Each finding tells how to mend it.

    Exits with 1 where something keeps Tailorbird from working; warnings do not.

    ```
    tailorbird doctor --workspace shop --data shop-data
    ```

    Parameters
    ----------
    workspace
        The workspace folder.
    data
        The data folder.
    host
        Address that the server is to listen on.
    port
        Port that the server is to listen on.
    quick
        Do not read the whole log to compare who is who and who must not get mail with it.
    as_json
        Print a JSON object: ok, findings.
    """
    patient = _patient(workspace, data, host, port)
    findings = list(examine(patient, MachineFacts()))
    is_sound = all(one.status != FAULT for one in findings if one.name == "data")
    if is_sound and (data / "log").is_dir() and (data / "control.db").is_file():
        findings += compare(FolderContents(data), str(data), is_quick=quick)
    is_well = all(finding.status != FAULT for finding in findings)
    if as_json:
        output.write_json({"ok": is_well, "findings": [asdict(one) for one in findings]})
        return output.OK if is_well else output.WRONG
    table = output.table("", "what", "finding")
    for finding in findings:
        says = Text(finding.says)
        if finding.status != OK and finding.mend:
            says.append(f"\n{finding.mend}", style="dim")
        table.add_row(Text(finding.status, style=_STYLES[finding.status]), finding.name, says)
    output.console().print(table)
    return output.OK if is_well else output.WRONG


def _patient(workspace: Path, data: Path, host: str, port: int) -> Patient:
    complaint = ""
    found, problems = None, []
    try:
        files, unreadable = read_folder(workspace)
        found, noted = checked_workspace(files)
        problems = [*unreadable, *noted]
    except FolderProblem as error:
        complaint = str(error)
    settings = found.settings if found is not None else WorkspaceSettings()
    return Patient(
        data=data,
        host=host,
        port=port,
        smtp_url=os.environ.get("TAILORBIRD_SMTP_URL") or settings.smtp_url,
        workspace=found,
        problems=problems,
        folder_complaint=complaint,
        place_complaint=(
            bootstrap.place_complaint(workspace, settings.place_file)
            if settings.place_file
            else None
        ),
    )
