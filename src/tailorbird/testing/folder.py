"""A data folder in which a small shop has lived for some days, with two engines."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from tailorbird import bootstrap
from tailorbird.bootstrap.definitions import workspace_loader
from tailorbird.delivery.suppression import changes_of
from tailorbird.events.event import ACTIVATE, PARTITIONS, Activate, encode
from tailorbird.ports.event_log import Draft
from tailorbird.services.advance import Engine
from tailorbird.services.append import Appender
from tailorbird.testing.building import DAY, START
from tailorbird.testing.embedded import MovedClock, event_draft

FILES = {
    "segments/buyers.yaml": "when: count(order_completed within 30d) >= 1\n",
    "templates/hello.liquid": "---\nsubject: Hello\n---\n<p>{{ unsubscribe_url }}</p>\n",
    "journeys/w.yaml": "enter: {segment: buyers}\nsteps: [{id: mail, send: hello}]\n",
}
PEOPLE = 30
ENGINES = 2


def live_in(
    folder: Path, start: int = START, properties: Mapping[str, object] | None = None
) -> None:
    """Make the folder: each of `PEOPLE` orders three times within nine days of the start."""
    bootstrap.prepare_data_folder(folder)
    with (
        closing(bootstrap.open_control(folder)) as control,
        closing(bootstrap.open_log(folder, is_writer=True)) as log,
        closing(bootstrap.open_identity(folder, is_writer=True)) as identity,
        closing(bootstrap.open_suppression(folder, is_writer=True)) as suppression,
        closing(bootstrap.open_ledger(folder, is_writer=True)),
    ):
        control.set("engines", str(ENGINES))
        control.save_version("v1", FILES, start)
        control.set("live_version", "v1")
        clock = MovedClock(start)
        appender = Appender(log, identity, suppression, clock, changes_of)
        body = encode(Activate("v1", "test"))
        appender.write([], [Draft(one, ACTIVATE, 0, body) for one in range(PARTITIONS)])
        for index in range(PEOPLE * 3):
            clock.at += DAY // 10
            user = f"u{index % PEOPLE}"
            order = event_draft("order_completed", f"m{index}", clock.at, user, None, properties)
            appender.write([order])
        for index in range(ENGINES):
            with closing(bootstrap.open_state(folder, index, is_writer=True)) as state:
                load = workspace_loader(control)
                engine = Engine(log, state, load, index=index, engines=ENGINES)
                while engine.step(7):
                    pass
