"""The steps of `events.standardise` with what they need of the live version, timed and counted."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from tailorbird.events.decode import Accepted
from tailorbird.events.event import Event
from tailorbird.events.identifiers import DEFAULT_RULES, IdentityRules, kind_of
from tailorbird.events.refusal import Refusal
from tailorbird.events.standardise import STEPS, Surroundings, Way, close, way_of
from tailorbird.events.standardise.plans import NO_PLAN, Plan
from tailorbird.ports.control_store import ControlStore
from tailorbird.ports.places import Places
from tailorbird.services.identity_rules import SETTINGS_FILE, LiveRules
from tailorbird.services.ingest import SenderIp
from tailorbird.services.learned import Learned
from tailorbird.workspace.definitions import WorkspaceSettings
from tailorbird.workspace.kinds.schema import plan_of, read_schema
from tailorbird.workspace.kinds.settings import read_settings
from tailorbird.workspace.source import Source

SCHEMA_FILE = "schema.yaml"
# One event of so many is timed step by step: reading the clock for each would cost more than they.
TIMED_EVERY = 64
SHAPES_MAX = 4_096
SHAPE_LENGTH_MAX = 4_096  # characters of the names of one

_IDENTIFYING = ("email", "phone")

_log = structlog.get_logger("standardise")


@dataclass(slots=True)
class Shape:
    """Events of one call and name with the same properties and the same keys of the context."""

    way: Way
    is_kept: bool
    event: str = ""
    count: int = 0
    first_at: int = 0
    last_at: int = 0


class Standardiser:
    """Takes accepted events through the steps.

    `concerned` counts the events that each step concerned, `seconds` and `timed` the time that the
    steps took and of how many events, `unfit` values without a standard form by reason, `findings`
    properties that the plan watches and that do not fit.
    """

    def __init__(
        self,
        learned: Learned | None = None,
        *,
        perf_counter: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.learned = learned
        self.around = Surroundings()
        self.uses_sender_ip = True
        self.concerned = [0] * len(STEPS)
        self.seconds = [0.0] * len(STEPS)
        self.timed = 0
        self.unfit: Counter[str] = Counter()
        self.findings = 0
        self._perf_counter = perf_counter
        self._until_timed = 1
        self._shapes: dict[tuple[str | None, ...], Shape] = {}
        if learned is not None:
            learned.gather = self.fold_shapes

    def __call__(
        self,
        items: Sequence[Accepted | Refusal],
        *,
        ip: SenderIp | None = None,
        rules: IdentityRules = DEFAULT_RULES,
    ) -> list[Accepted | Refusal]:
        """Standardise what was accepted, in place; what the plan refuses becomes a refusal.

        Args:
            items: Decoded items.
            ip: Tells where the request came from.
            rules: Which identifiers count.
        """
        around, concerned = self.around, self.concerned
        is_asked = ip is not None and self.uses_sender_ip and around.look_up is not None
        around.ip = ip() if is_asked and ip is not None else None
        out: list[Accepted | Refusal] = []
        for one in items:
            if isinstance(one, Refusal):
                out.append(one)
                continue
            event = one.event
            key = (event.type, event.name, *event.properties, None, *event.context)
            shape = self._shapes.get(key) or self._new_shape(key, event)
            self._until_timed -= 1
            refusal: Refusal | None = None
            if self._until_timed:
                # Written out here: a call more for each event would be a tenth of all steps.
                for number, run in shape.way:
                    found = run(event, around)
                    if found:
                        if found is not True:
                            refusal = found
                            break
                        concerned[number] += 1
            else:
                refusal = self._run_timed(event, shape)
            if around.sent or around.unfit or around.findings:
                self._take_notes(one, rules, refusal)
            if refusal is None:
                if not shape.count:
                    self._learn(shape, event)
                shape.count += 1
                shape.last_at = event.timestamp
            out.append(one if refusal is None else refusal)
        return out

    def begin(self, around: Surroundings) -> None:
        """Go on by other settings and another plan."""
        self.fold_shapes()
        self.around = around

    def fold_shapes(self) -> None:
        """Hand over what was counted by shape, and begin anew."""
        if self.learned is not None:
            for shape in self._shapes.values():
                if shape.count:
                    self.learned.add(shape.event, shape.count, shape.first_at, shape.last_at)
        self._shapes = {}

    def _new_shape(self, key: tuple[str | None, ...], event: Event) -> Shape:
        # Whoever makes names up does not fill the memory: such a shape is found anew each time.
        is_kept = sum(len(one or "") for one in key) <= SHAPE_LENGTH_MAX
        shape = Shape(way_of(event, self.around), is_kept)
        if is_kept:
            if len(self._shapes) >= SHAPES_MAX:
                self.fold_shapes()
            self._shapes[key] = shape
        return shape

    def _learn(self, shape: Shape, event: Event) -> None:
        """Look at the first event of a shape; the others are alike and only counted."""
        shape.event, shape.first_at = event.name, event.timestamp
        if self.learned is not None:
            self.learned.look(event)
            if not shape.is_kept:
                self.learned.add(event.name, 1, event.timestamp, event.timestamp)

    def _run_timed(self, event: Event, shape: Shape) -> Refusal | None:
        self._until_timed = TIMED_EVERY
        self.timed += 1
        clock = self._perf_counter
        for number, run in shape.way:
            begun = clock()
            found = run(event, self.around)
            self.seconds[number] += clock() - begun
            if found:
                if found is not True:
                    return found
                self.concerned[number] += 1
        return None

    def _take_notes(self, one: Accepted, rules: IdentityRules, refusal: Refusal | None) -> None:
        around, event = self.around, one.event
        if around.findings:
            self._note_findings()
        if refusal is not None:
            around.sent, around.unfit = {}, {}
            return
        is_known_anew = event.type == "identify" and any(
            kind in around.sent or kind in around.unfit for kind in _IDENTIFYING
        )
        self.unfit.update(around.unfit.values())
        close(event, around)
        if is_known_anew:
            _identify_anew(one, rules)

    def _note_findings(self) -> None:
        findings = self.around.findings
        self.findings += len(findings)
        if self.learned is not None:
            self.learned.note(findings)
        self.around.findings = []


def _identify_anew(accepted: Accepted, rules: IdentityRules) -> None:
    """Let standard values identify, and none that has no standard form.

    The same as `identifiers_of` of the standard event, at a third of the cost; a test holds them
    equal.
    """
    event = accepted.event
    unfit, sent = event.unfit or {}, event.as_sent or {}
    found = [one for one in accepted.identifiers if one[0] not in unfit]
    for kind in _IDENTIFYING:
        if kind not in sent:
            continue
        value = str(event.properties[kind])
        new = (kind, value.lower() if kind == "email" else value)
        if new in found:
            continue
        found = [one for one in found if one[0] != kind]
        if rules.identifies(new):
            strength = {one: place for place, one in enumerate(rules.limits)}
            mine = strength[kind]
            weaker = (i for i, one in enumerate(found) if strength.get(kind_of(one[0]), 0) > mine)
            found.insert(next(weaker, len(found)), new)
    accepted.identifiers = found


def plan_of_version(control: ControlStore, version: str) -> Plan:
    """Return the tracking plan of a published version; none where the version is not there."""
    try:
        schema = control.load_version(version).get(SCHEMA_FILE)
    except KeyError:
        return NO_PLAN
    return plan_of(read_schema(Source(SCHEMA_FILE, schema)) if schema else {})


class LiveStandardiser:
    """A standardiser by the settings and the plan of the live version.

    They are read anew when another version becomes live; `rules` are asked for it first.
    """

    def __init__(
        self,
        control: ControlStore,
        rules: LiveRules,
        open_places: Callable[[str], Places],
        learned: Learned | None = None,
    ) -> None:
        """`open_places` is given the setting `place_file`."""
        self._control = control
        self._rules = rules
        self._open_places = open_places
        self._version: str | None = None
        self._place_file = ""
        self.places: Places | None = None
        self.steps = Standardiser(learned)

    def __call__(
        self,
        items: Sequence[Accepted | Refusal],
        *,
        ip: SenderIp | None = None,
        rules: IdentityRules = DEFAULT_RULES,
    ) -> list[Accepted | Refusal]:
        """Standardise; see `Standardiser`."""
        if self._rules.version != self._version:
            self._read(self._rules.version)
        return self.steps(items, ip=ip, rules=rules)

    def _read(self, version: str | None) -> None:
        self._version = version
        files: dict[str, str] = {}
        if version is not None:
            try:
                files = self._control.load_version(version)
            except KeyError:
                _log.error("version_unknown", version=version)
        text = files.get(SETTINGS_FILE)
        settings = read_settings(Source(SETTINGS_FILE, text)) if text else WorkspaceSettings()
        schema = files.get(SCHEMA_FILE)
        plan = plan_of(read_schema(Source(SCHEMA_FILE, schema)) if schema else {})
        if settings.place_file != self._place_file:
            self.places = self._open_places(settings.place_file) if settings.place_file else None
            self._place_file = settings.place_file
        self.steps.begin(
            Surroundings(
                default_country=settings.default_country,
                timezone=settings.timezone,
                look_up=None if self.places is None else self.places.look_up,
                plan=plan,
            )
        )
        self.steps.uses_sender_ip = settings.uses_sender_ip
        if self.steps.learned is not None:
            self.steps.learned.expect(plan)
