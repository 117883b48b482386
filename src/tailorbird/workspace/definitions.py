"""The definitions of a workspace as values: what `loader` makes of the files, what hosts compile.

A `Workspace` is immutable and self-contained: the same files give the same `version`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tailorbird.base.time import Duration
from tailorbird.events.identifiers import LIMITS
from tailorbird.language.needs import Interest
from tailorbird.language.tree import Node


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentDefinition:
    """A named condition; `segments/NAME.yaml` with at least `when`."""

    name: str
    title: str
    description: str
    when: Node
    text: str  # the expression as written


@dataclass(frozen=True, slots=True, kw_only=True)
class ScorePoints:
    """Points per matching event; `where` is an optional condition on the event."""

    event: str
    points: int  # scaled
    where: Node | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreDefinition:
    """A named number: either `value` (an expression) or `points` that may fade."""

    name: str
    title: str
    description: str
    value: Node | None = None
    text: str = ""
    points: tuple[ScorePoints, ...] = ()
    half_life: Duration | None = None
    linear_decay: Duration | None = None
    cap_per_day: int | None = None  # scaled


@dataclass(frozen=True, slots=True, kw_only=True)
class InterestDefinition:
    """Which values of a property a person cares for: points for each, by what the person did."""

    name: str
    title: str
    description: str
    weights: Interest


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """What starts a run: an event (with an optional condition on it) or entering a segment."""

    event: str | None = None  # snake case
    where: Node | None = None  # sees `event.*`, traits, aggregates, ...
    where_text: str = ""
    segment: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Pause for `duration`, or until a local time of day (minutes after midnight) if given."""

    id: str
    duration: Duration | None = None
    until_minute: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unless:
    """End the run here if the condition holds."""

    id: str
    condition: Node
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """`if CONDITION then ... else ...`."""

    id: str
    condition: Node
    text: str
    then: tuple[Step, ...]
    otherwise: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """Send a template to the person. `kind` is marketing or transactional."""

    id: str
    template: str
    kind: str = "marketing"
    topic: str = "marketing"
    expires_after: Duration = Duration(micros=86_400_000_000)


Step = Wait | Unless | Branch | Send


@dataclass(frozen=True, slots=True, kw_only=True)
class JourneyDefinition:
    """A per-person flow of steps. Step ids are unique within the journey.

    `key` is the path of the trigger event's property that names the run (an order id, a cart id),
    empty for one run per trigger. `reentry` is "once", "always", or a Duration that must have
    passed since the last run's start. `exit` ends a run at any step as soon as it is asked and
    holds: it is asked before each step and at each event of the person. `freshness`: a trigger
    older than this (now - timestamp) starts nothing. `when_edited` says what becomes of the people
    inside when this definition takes the place of another: "move", "finish" or "leave".
    """

    name: str
    title: str
    description: str
    trigger: Trigger
    steps: tuple[Step, ...]
    key: tuple[str, ...] = ()
    reentry: str | Duration = "always"
    exit: Node | None = None
    exit_text: str = ""
    freshness: Duration = Duration(micros=86_400_000_000)
    when_edited: str = "move"

    def leads_like(self, other: JourneyDefinition) -> bool:
        """Say whether people inside pass through both in the same way."""
        return (self.steps, self.exit) == (other.steps, other.exit)


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateDefinition:
    """One mail: subject, preheader and body source (Liquid; `body_kind` is html or mjml)."""

    name: str
    subject: str
    preheader: str
    body: str
    body_kind: str
    text: str = ""  # hand-written plain-text part; empty: made from the HTML
    from_name: str = ""
    from_address: str = ""
    reply_to: str = ""
    path: str = ""
    body_line: int = 1  # line of the file at which the body begins


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldPath:
    """A place in an incoming message, taken over as it is; `line_items.0.sku` counts from 0."""

    parts: tuple[str, ...]


MapValue = FieldPath | Node
MapPart = MapValue | Mapping[str, MapValue]


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageMap:
    """How an incoming message becomes a Segment call.

    `fields` are type, event, user_id, anonymous_id, message_id, timestamp; `parts` are properties,
    traits, context, each a whole object or its entries one by one.
    """

    fields: Mapping[str, MapValue]
    parts: Mapping[str, MapPart]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceDefinition:
    """Where events come from: a queue that is read, or a webhook that is called.

    `place` is the stream, queue or topic. `url` and `secret` name environment variables as
    `${NAME}`. `when` leaves out messages for which it does not hold.
    """

    name: str
    title: str
    description: str
    kind: str  # redis, rabbitmq, nats, kafka or webhook
    format: str  # segment-json, map or ready-made
    url: str = ""
    place: str = ""
    subject: str = ""  # of nats: only messages under it
    group: str = "tailorbird"
    field: str = "data"  # of redis: the entry's field that holds the message
    redeliver_seconds: int = 30  # what was not settled for so long comes again
    map: MessageMap | None = None
    when: Node | None = None
    is_historical: bool = False
    sender: str = ""  # of webhooks: whose way of signing
    secret: str = ""
    header: str = ""
    encoding: str = "hex"
    tolerance_seconds: int = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceSettings:
    """`tailorbird.toml`."""

    name: str = "My workspace"
    timezone: str = "UTC"
    publishes_on_save: bool = True
    currencies: tuple[str, ...] = ()
    base_url: str = "http://localhost:8000"
    from_name: str = ""
    from_address: str = ""
    postal_address: str = ""
    smtp_url: str = "smtp://localhost:25"
    marketing_per_day: int = 1
    quiet_from_minute: int | None = None  # local minutes after midnight
    quiet_until_minute: int | None = None
    unknown: str = "keep"  # or "resend": what becomes of messages whose arrival is unknown
    external_ids_max: int = LIMITS["external_id"]
    anonymous_ids_max: int = LIMITS["anonymous_id"]
    emails_max: int = LIMITS["email"]
    phones_max: int = LIMITS["phone"]
    devices_max: int = LIMITS["device"]
    blocked_identifiers: tuple[str, ...] = ()
    default_country: str = ""
    place_file: str = ""
    uses_sender_ip: bool = True
    is_sandbox: bool = False
    sandbox_addresses: tuple[str, ...] = ()
    free_mb_min: int = 1_000  # less room on the data folder's disk is told as a concern
    free_percent_min: int = 5
    dead_letters_days: int = 30  # how long refused items are kept
    dead_letters_mb: int = 500  # and how much of them
    keeps_lake: bool = True  # whether a process keeps the lake near the end of the log
    lake_interval_seconds: int = 60
    lake_keep_days: int = 0  # 0: for ever
    verify_people: int = 1_000  # of whom segments are reckoned anew; 0: never
    verify_hours: int = 24
    lake_url: str = ""  # where it lies; empty: in the data folder
    demands_consent: bool = True  # marketing needs an explicit yes (else: no objection)


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """All definitions of one version.

    `former` holds journeys as earlier versions had them, by (name, version): those who were inside
    when the journey was edited finish them.
    """

    version: str
    settings: WorkspaceSettings = field(default_factory=WorkspaceSettings)
    segments: Mapping[str, SegmentDefinition] = field(default_factory=dict)
    scores: Mapping[str, ScoreDefinition] = field(default_factory=dict)
    interests: Mapping[str, InterestDefinition] = field(default_factory=dict)
    journeys: Mapping[str, JourneyDefinition] = field(default_factory=dict)
    templates: Mapping[str, TemplateDefinition] = field(default_factory=dict)
    lists: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sources: Mapping[str, SourceDefinition] = field(default_factory=dict)
    schema: Mapping[str, Any] = field(default_factory=dict)
    former: Mapping[tuple[str, str], JourneyDefinition] = field(default_factory=dict)
