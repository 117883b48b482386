"""`tailorbird demo`: the main job on a real shop's year."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from tailorbird.cli import output

Switch = Parameter(negative="")


def demo(
    *,
    exit: Annotated[bool, Switch] = False,  # noqa: A002  # the word that people type
    speed: Annotated[float, Parameter(validator=Number(gte=0))] = 0.0,
    days: Annotated[int, Parameter(validator=Number(gte=0))] = 0,
    port: Annotated[int, Parameter(validator=Number(gte=1, lte=65_535))] = 8000,
    data: Path = Path("demo-data"),
    simulated_reader: Annotated[bool, Switch] = False,
) -> int:
    """Replay a real shop's year and watch who gets which mail, and why.

    The orders of UCI Online Retail go through the real collection path under a simulated clock;
    mails go by SMTP to a catcher that the demo starts itself, and nowhere else.

    ```
    tailorbird demo
    tailorbird demo --speed 5
    tailorbird demo --exit
    ```

    Parameters
    ----------
    exit
        End after the summary; else the pages stay at http://localhost:PORT until Ctrl-C.
    speed
        Days of data per second; 0 is as fast as it goes.
    days
        Replay only so many days; 0 is the whole year.
    port
        Port of the pages.
    data
        Folder for everything that the demo writes; an earlier demo's is replaced.
    simulated_reader
        Invent opens and clicks; the page says so then.
    """
    try:
        # Imported here: the demo's parts are an extra.
        parts = import_module("tailorbird.demo")
    except ImportError as error:
        raise output.Failure(
            f"the demo's parts are not installed: {error}",
            "Run `pip install 'tailorbird[demo]'`, or `make demo` in a clone.",
            code=output.OUTSIDE,
        ) from error
    code = parts.run(
        parts.DemoOptions(
            does_exit=exit,
            speed=speed,
            days=days,
            port=port,
            data=data,
            has_simulated_reader=simulated_reader,
        )
    )
    return code if isinstance(code, int) else output.OK
