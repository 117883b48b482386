"""Templates rendered for some real people before they go live: what is missing, broken, too large.

Each template is tried on people whose latest trigger of its journey is in the log, or on anybody
where a segment starts the journey.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import unescape
from typing import Any

import msgspec

from tailorbird.content.render import RenderProblem
from tailorbird.delivery.assemble import encode_parts
from tailorbird.delivery.decide import address_of
from tailorbird.events.event import EVENT, PARTITIONS, Event, decode_event, partition_of
from tailorbird.journeys.asking import walk
from tailorbird.journeys.effects import SendMessage
from tailorbird.ports.event_log import EventLog
from tailorbird.ports.state_store import StateStore
from tailorbird.profiles.state import ProfileState, decode
from tailorbird.reducer.reducer import Reducer
from tailorbird.services.compose import compose
from tailorbird.workspace.definitions import JourneyDefinition, Send

PEOPLE_MAX = 20
# Larger mails are cut off by the widest-spread mail reader.
BYTES_MAX = 102_000
_RECORDS_MAX = 20_000
_HREF = re.compile(r"""<a\b[^>]*?\bhref\s*=\s*(?:"([^"]*)"|'([^']*)')""", re.IGNORECASE)
_SOUND = ("http://", "https://", "mailto:", "tel:", "sms:")


@dataclass(slots=True)
class Trial:
    """What became of one template; counts are numbers of people."""

    template: str
    people: int = 0
    largest: int = 0  # bytes
    missing: Counter[str] = field(default_factory=Counter)  # value that printed nothing -> people
    faults: Counter[str] = field(default_factory=Counter)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "template": self.template,
            "people": self.people,
            "largest_bytes": self.largest,
            "missing": dict(self.missing.most_common()),
            "faults": dict(self.faults.most_common()),
        }


def try_templates(
    names: Iterable[str],
    reducer: Reducer,
    stores: Sequence[StateStore],
    log: EventLog,
    now: int,
) -> list[Trial]:
    """Render templates that journeys send, each for at most `PEOPLE_MAX` people."""
    wanted = set(names)
    senders: dict[str, tuple[JourneyDefinition, Send]] = {}
    for journey in reducer.workspace.journeys.values():
        for step in walk(journey.steps):
            if isinstance(step, Send) and step.template in wanted:
                senders.setdefault(step.template, (journey, step))
    triggers = _latest_triggers(
        log, {journey.trigger.event for journey, _ in senders.values() if journey.trigger.event}
    )
    trials = []
    for name, (journey, step) in sorted(senders.items()):
        trial = Trial(name)
        for state, trigger in _people(journey, stores, triggers):
            _render(trial, reducer, state, journey, step, trigger, now)
        trials.append(trial)
    return trials


def _latest_triggers(log: EventLog, names: set[str]) -> Mapping[str, list[tuple[int, Event]]]:
    found: dict[str, list[tuple[int, Event]]] = {name: [] for name in names}
    after = max(log.end() - _RECORDS_MAX, 0) if names else log.end()
    for record in log.read(after, _RECORDS_MAX):
        if record.kind != EVENT or not record.body:
            continue
        try:
            event = decode_event(record)
        except msgspec.DecodeError:
            continue
        if event.name in found:
            found[event.name].append((record.profile_id, event))
    return found


def _people(
    journey: JourneyDefinition,
    stores: Sequence[StateStore],
    triggers: Mapping[str, list[tuple[int, Event]]],
) -> Iterable[tuple[ProfileState, dict[str, Any]]]:
    name = journey.trigger.event
    if name is None:
        for state in _anybody(stores):
            yield state, {"segment": journey.trigger.segment, "timestamp": state.updated_at}
        return
    for profile_id, event in reversed(triggers[name][-PEOPLE_MAX:]):
        data = stores[partition_of(profile_id) % len(stores)].profiles([profile_id])
        if data:
            yield (
                decode(data[profile_id]),
                {
                    "name": event.name,
                    "message_id": event.message_id,
                    "timestamp": event.timestamp,
                    "properties": event.properties,
                },
            )


def _anybody(stores: Sequence[StateStore]) -> Iterable[ProfileState]:
    count = 0
    for partition in range(PARTITIONS):
        store = stores[partition % len(stores)]
        for data in store.profiles(store.profile_ids(partition, -1, 2)).values():
            state = decode(data)
            if count < PEOPLE_MAX and not state.merged_into and "email" in state.traits:
                count += 1
                yield state


def _render(
    trial: Trial,
    reducer: Reducer,
    state: ProfileState,
    journey: JourneyDefinition,
    step: Send,
    trigger: dict[str, Any],
    now: int,
) -> None:
    profile = reducer.snapshot(state, now)
    address = address_of(profile)
    if address is None:
        return
    trial.people += 1
    effect = SendMessage(
        effect_id="0" * 32,
        profile_id=state.profile_id,
        journey=journey.name,
        run_key="",
        step=step.id,
        visit=1,
        template=step.template,
        kind=step.kind,
        topic=step.topic,
        due_at=now,
        expires_at=now,
        triggered_at=now,
        trigger=trigger,
        conditions=[],
        version="",
    )
    workspace = reducer.workspace
    template = workspace.templates[step.template]
    try:
        made = compose(effect, profile, state.profile_id, workspace, template, address, b"", now)
    except RenderProblem as problem:
        trial.faults[f"cannot be rendered: {problem}"] += 1
        return
    size = len(encode_parts(made.parts))
    trial.largest = max(trial.largest, size)
    trial.missing.update(set(made.rendered.missing))
    trial.faults.update(set(made.rendered.fallbacks))
    if size > BYTES_MAX:
        trial.faults[f"larger than {BYTES_MAX:,} bytes: mail readers cut it off"] += 1
    trial.faults.update({f"broken link: {one}" for one in _broken_links(made.rendered.html)})


def _broken_links(html: str) -> Iterable[str]:
    for match in _HREF.finditer(html):
        url = unescape(match[1] if match[1] is not None else match[2]).strip()
        if not url:
            yield "a link without an address"
        elif not url.lower().startswith(_SOUND):
            yield f"{url[:100]} leads nowhere in a mail"
        elif url.lower().startswith("http") and ("{{" in url or " " in url or not url[8:9]):
            yield url[:100]
