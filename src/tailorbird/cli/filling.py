"""A bar for a version that goes live: history that is folded, then people that it reaches."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from tailorbird import bootstrap
from tailorbird.bootstrap.definitions import workspace_loader
from tailorbird.services.filling_status import filling_status

_LOOK_SECONDS = 0.25
_STAGES = {"history": "folding history", "people": "reaching people"}


@contextmanager
def filling_shown(data: Path) -> Iterator[None]:
    """Show on stderr how far the version has come that goes live meanwhile."""
    done = threading.Event()
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        console=Console(stderr=True, highlight=False),
        transient=True,
    )
    watch = threading.Thread(target=_watch, args=(data, bar, done), daemon=True)
    with bar:
        watch.start()
        try:
            yield
        finally:
            done.set()
            watch.join()


def _watch(data: Path, bar: Progress, done: threading.Event) -> None:
    task = bar.add_task("going live", total=None)
    with ExitStack() as things:
        control = things.enter_context(closing(bootstrap.open_control(data)))
        states = [
            things.enter_context(closing(bootstrap.open_state(data, int(path.stem))))
            for path in sorted((data / "state").glob("*.db"))
        ]
        load = workspace_loader(control)
        while not done.wait(_LOOK_SECONDS):
            status = filling_status(control, states, load)
            if status is not None:
                stage = _STAGES[status["stage"]]
                bar.update(task, description=stage, total=1.0, completed=status["share"])
