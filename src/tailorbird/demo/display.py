"""What the terminal shows: a live panel on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

LINE_SECONDS = 5.0
_WIDTH = 46


@dataclass(slots=True)
class Standing:
    """How far the replay has come."""

    day: str = ""
    done: float = 0.0
    events: int = 0
    events_per_second: float = 0.0
    people: int = 0
    segments: dict[str, int] = field(default_factory=dict)
    messages: dict[str, dict[str, int]] = field(default_factory=dict)

    def take(self, status: dict[str, Any]) -> None:
        """Take over what the server says."""
        self.people = status["people"]
        self.segments = status["segments"]
        self.messages = status["messages_by_journey"]

    @property
    def sent(self) -> int:
        """Mails that the mail server took."""
        return sum(counts.get("sent", 0) for counts in self.messages.values())


class Display:
    """Shows the standing while it changes."""

    def __init__(self, console: Console, url: str) -> None:
        self._console = console
        self._url = url
        self._live = Live(console=console, refresh_per_second=8) if console.is_terminal else None
        self._said_at = time.monotonic()

    def __enter__(self) -> Display:
        if self._live is not None:
            self._live.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.__exit__(kind, error, trace)

    def show(self, standing: Standing) -> None:
        """Show the present standing."""
        if self._live is not None:
            self._live.update(self._panel(standing))
        elif time.monotonic() - self._said_at >= LINE_SECONDS:
            self._said_at = time.monotonic()
            self._console.print(
                f"{standing.day}  {standing.done:4.0%}  {standing.events:,} events"
                f" ({standing.events_per_second:,.0f}/s)  {standing.people:,} people"
                f"  {standing.sent:,} mails"
            )

    def _panel(self, standing: Standing) -> Group:
        head = Text.assemble(
            (standing.day, "bold"),
            f"   {standing.events:,} events   {standing.events_per_second:,.0f}/s   ",
            f"{standing.people:,} people   {standing.sent:,} mails",
        )
        bar = ProgressBar(total=1.0, completed=standing.done, width=_WIDTH)
        return Group(head, bar, tables(standing), Text(f"live at {self._url}", style="dim"))


def tables(standing: Standing) -> Table:
    """Segments and journeys side by side."""
    segments = Table("segment", "members", box=None, pad_edge=False, header_style="dim")
    segments.columns[1].justify = "right"
    for name, size in sorted(standing.segments.items()):
        segments.add_row(name, f"{size:,}")
    journeys = Table("journey", "sent", "not sent", box=None, pad_edge=False, header_style="dim")
    for column in journeys.columns[1:]:
        column.justify = "right"
    for name, counts in sorted(standing.messages.items()):
        sent = counts.get("sent", 0)
        journeys.add_row(name, f"{sent:,}", f"{sum(counts.values()) - sent:,}")
    pair = Table.grid(padding=(0, 6))
    pair.add_row(segments, journeys)
    return pair
