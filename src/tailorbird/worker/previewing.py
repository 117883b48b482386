"""Previews in a process of their own: the web process need not carry a warehouse."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from tailorbird.base.problems import OperationalError, Problem, ProblemsError

SECONDS_MAX = 60.0
# More at a time would fight for the cores with what has to be fast.
AT_ONCE = 2


class Previewer:
    """Asks `tailorbird segment preview` of a workspace folder and a data folder."""

    def __init__(self, workspace: Path, data: Path) -> None:
        self._folders = ["--workspace", str(workspace), "--data", str(data)]
        self._places = asyncio.Semaphore(AT_ONCE)

    async def __call__(self, expression: str, at: str) -> dict[str, Any]:
        """Return what the command prints; see `web.preview.AskPreview`."""
        words = ["-m", "tailorbird", "segment", "preview", *self._folders, "--json"]
        words += [*(["--at", at] if at else []), "--", expression]
        async with self._places:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *words,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            try:
                out, err = await asyncio.wait_for(process.communicate(), SECONDS_MAX)
            except TimeoutError:
                process.kill()
                await process.wait()
                raise OperationalError(
                    f"the preview took more than {SECONDS_MAX:.0f} s; ask a shorter window",
                    is_retry_safe=True,
                ) from None
        if process.returncode == 0:
            found: dict[str, Any] = json.loads(out)
            return found
        said = (out + err).decode("utf-8", "replace").strip()
        if process.returncode == 1:
            raise ProblemsError(
                (
                    Problem(
                        message=said, mend="docs/reference/expressions.md lists what can be asked."
                    ),
                )
            )
        raise OperationalError(said.splitlines()[-1] if said else "no answer", is_retry_safe=True)
