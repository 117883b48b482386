"""`tailorbird init`: a new workspace folder with commented examples and keys."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from tailorbird.adapters.files import create_workspace
from tailorbird.cli import output


def init(
    folder: Path, /, *, as_json: Annotated[bool, Parameter(name="--json", negative="")] = False
) -> int:
    """Make a new workspace: a folder with commented definitions, and the keys to its server.

    ```
    tailorbird init shop
    ```

    Parameters
    ----------
    folder
        Folder to make; it must be new or empty.
    as_json
        Print only a JSON object with workspace, write_key and admin_key.
    """
    keys = create_workspace(folder)
    place = folder.resolve()
    if as_json:
        output.write_json(
            {
                "workspace": str(place),
                "write_key": keys.write_key,
                "admin_key": keys.admin_key,
            }
        )
        return output.OK
    out = output.console()
    out.print(f"Made the workspace [bold]{place}[/bold].\n")
    out.print(f"  write key  {keys.write_key}   lets your shop send events")
    out.print(f"  admin key  {keys.admin_key}   opens everything else; keep it secret\n")
    out.print("Both lie in .tailorbird/keys.json, which git leaves alone. What next:\n")
    out.print(f"  tailorbird check {folder}")
    out.print(f"  tailorbird serve --workspace {folder} --data {folder}-data")
    return output.OK
