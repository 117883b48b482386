"""Notices when a workspace folder changes, by looking at times and sizes twice a second.

Looking needs no platform's notification interface and works on every kind of mount; a folder of
a few hundred files costs well under a millisecond of CPU per look.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Event

from tailorbird.adapters.files.folder import fingerprint


def watch_folder(
    folder: Path, on_change: Callable[[], None], stop: Event, *, interval_seconds: float = 0.5
) -> None:
    """Call `on_change` after each change, until `stop` is set.

    A change is reported once nothing has moved for one interval, so that an editor's or git's
    several writes count as one. `on_change` is called at once when the watch begins.
    """
    # Looked at before the call: what changes during it is then seen as a change.
    reported = seen = fingerprint(folder)
    on_change()
    while not stop.wait(interval_seconds):
        now = fingerprint(folder)
        if now == seen and now != reported:
            reported = now
            on_change()
        seen = now
