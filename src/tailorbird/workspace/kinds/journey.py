"""`journeys/NAME.yaml`: a flow of steps that each person passes through alone."""

from __future__ import annotations

from dataclasses import dataclass, field

from tailorbird.base.names import snake_case
from tailorbird.base.time import Duration
from tailorbird.workspace.definitions import Branch, Send, Step, Unless, Wait
from tailorbird.workspace.durations import parse_duration, parse_time_of_day
from tailorbird.workspace.expressions import Expression, read_expression
from tailorbird.workspace.names import check_name
from tailorbird.workspace.sections import Scalar, Section, compose
from tailorbird.workspace.source import Source

KEYS = (
    "title",
    "description",
    "enter",
    "key",
    "reentry",
    "exit",
    "freshness",
    "when_edited",
    "steps",
)
WAYS = ("move", "finish", "leave")
ENTER_KEYS = ("segment", "event", "where")
WAIT_KEYS = ("until",)
STEP_KINDS = ("wait", "unless", "if", "send")
STEP_KEYS = ("id", *STEP_KINDS, "then", "else", "kind", "topic", "expires")
_KEYS_OF = {
    "wait": (),
    "unless": (),
    "if": ("then", "else"),
    "send": ("kind", "topic", "expires"),
}
_DEPTH_MAX = 10
_STEPS_MAX = 200


@dataclass(slots=True, kw_only=True)
class JourneyFile:
    """A journey as read; names of segments and templates in it are not checked yet."""

    name: str
    title: str = ""
    description: str = ""
    event: str | None = None
    event_scalar: Scalar | None = None
    where: Expression | None = None
    segment: Scalar | None = None
    key: tuple[str, ...] = ()
    reentry: str | Duration = "always"
    exit: Expression | None = None
    freshness: Duration | None = None
    when_edited: str = "move"
    steps: tuple[Step, ...] = ()
    conditions: list[Expression] = field(default_factory=list)
    templates: list[Scalar] = field(default_factory=list)
    marketing_sends: int = 0
    _ids: dict[str, Section] = field(default_factory=dict)


def read_journey(source: Source, name: str) -> JourneyFile | None:
    """Read a journey; what is wrong is noted in the source."""
    root = compose(source)
    if root is None:
        return None
    section = Section(source, root, "a journey", KEYS)
    journey = JourneyFile(name=name)
    journey.title = section.text("title") or name.replace("-", " ").replace("_", " ").capitalize()
    journey.description = section.text("description")
    _read_enter(section, journey)
    _read_key(section, journey)
    _read_reentry(section, journey)
    journey.exit = _condition(section, "exit", journey)
    journey.freshness = section.duration("freshness")
    _read_when_edited(section, journey)
    if "steps" not in section:
        section.note("a journey needs `steps`", "For example `steps: [{id: mail, send: welcome}]`.")
    journey.steps = _read_steps(section, "steps", journey, 1)
    return journey


def _read_enter(section: Section, journey: JourneyFile) -> None:
    enter = section.section("enter", "`enter`", ENTER_KEYS)
    if enter is None:
        if "enter" not in section:
            section.note(
                "a journey needs `enter`",
                "For example `enter: {event: order_completed}` or `enter: {segment: lapsed}`.",
            )
        return
    if ("segment" in enter) == ("event" in enter):
        enter.note(
            "a journey is entered either by an event or by entering a segment",
            "Give one of `event` and `segment`.",
        )
        return
    if "segment" in enter:
        journey.segment = enter.required("segment", "lapsed")
        if "where" in enter:
            enter.note(
                "`where` looks at an event",
                "Put the condition into the segment, or into a first step `unless`.",
                "where",
            )
        return
    journey.event_scalar = enter.required("event", "order_completed")
    if journey.event_scalar is not None:
        journey.event = snake_case(journey.event_scalar.value)
    journey.where = _condition(enter, "where", journey)


def _read_key(section: Section, journey: JourneyFile) -> None:
    scalar = section.scalar("key")
    if scalar is None:
        return
    parts = scalar.value.strip().split(".")
    for prefix in (["event", "properties"], ["properties"]):
        if parts[: len(prefix)] == prefix:
            parts = parts[len(prefix) :]
            break
    if not parts or not all(part.replace("_", "a").isalnum() for part in parts):
        scalar.note(
            f"`{scalar.value}` is not a property of the event",
            "Write it as `event.properties.order_id`.",
        )
    elif journey.segment is not None:
        scalar.note(
            "`key` names a run by a property of an event, but this journey is entered by a segment",
            "Remove it: a run is named by the moment of entering.",
        )
    else:
        journey.key = ("properties", *parts)


def _read_reentry(section: Section, journey: JourneyFile) -> None:
    scalar = section.scalar("reentry")
    if scalar is None:
        return
    if scalar.value in ("once", "always"):
        journey.reentry = scalar.value
        return
    try:
        journey.reentry = parse_duration(scalar.value)
    except ValueError:
        scalar.note(
            f"`reentry` cannot be `{scalar.value}`",
            "Use `once`, `always`, or a span such as 30d that must have passed since the last run.",
        )


def _read_when_edited(section: Section, journey: JourneyFile) -> None:
    scalar = section.scalar("when_edited")
    if scalar is None:
        return
    if scalar.value in WAYS:
        journey.when_edited = scalar.value
        return
    scalar.note(
        f"`when_edited` cannot be `{scalar.value}`",
        "Write `move` (people inside go on in the new steps), `finish` (they pass through the old"
        " ones) or `leave` (they are taken out).",
    )


def _condition(section: Section, key: str, journey: JourneyFile) -> Expression | None:
    found = read_expression(section, key, "journey")
    if found is not None:
        journey.conditions.append(found)
    return found


def _read_steps(section: Section, key: str, journey: JourneyFile, depth: int) -> tuple[Step, ...]:
    if depth > _DEPTH_MAX:
        section.note("steps are nested too deeply", f"Use at most {_DEPTH_MAX} levels.", key)
        return ()
    steps: list[Step] = []
    sections = section.items(key, "a step", STEP_KEYS, may_be_empty=key == "else")
    for position, part in enumerate(sections):
        step = _read_step(part, journey, depth)
        if step is None:
            continue
        steps.append(step)
        is_end = isinstance(step, Unless) and _constant(step.text) is True
        if is_end and position + 1 < len(sections):
            sections[position + 1].note(
                f"this step is never reached: `{step.id}` always ends the run",
                f"Change the condition of `{step.id}`, or remove what follows.",
            )
    return tuple(steps)


def _read_step(section: Section, journey: JourneyFile, depth: int) -> Step | None:
    kinds = [kind for kind in STEP_KINDS if kind in section]
    step_id = _read_id(section, journey, kinds[0] if kinds else "step")
    if len(kinds) != 1:
        given = " and ".join(f"`{kind}`" for kind in kinds)
        section.note(
            f"a step does one thing, this one has {given}" if kinds else "this step does nothing",
            f"Give one of: {', '.join(STEP_KINDS)}.",
        )
        return None
    kind = kinds[0]
    for key in STEP_KEYS:
        if key in section and key not in ("id", kind, *_KEYS_OF[kind]):
            section.note(f"`{key}` does not belong to a `{kind}` step", "Remove it.", key)
    if kind == "wait":
        return _read_wait(section, step_id)
    if kind == "send":
        return _read_send(section, step_id, journey)
    condition = _condition(section, kind, journey)
    if kind == "if":
        return _read_branch(section, step_id, condition, journey, depth)
    if condition is None:
        return None
    return Unless(id=step_id, condition=condition.node, text=condition.text)


def _read_id(section: Section, journey: JourneyFile, example: str) -> str:
    if len(journey._ids) == _STEPS_MAX:
        section.note(f"a journey has at most {_STEPS_MAX} steps", "Split it into two journeys.")
    if "id" not in section:
        section.note(
            "this step has no `id`",
            f"Give it a name that stays, such as `id: first-{example}`: mails already sent are "
            "recognised by it when the journey is edited.",
        )
        return ""
    scalar = section.required("id", f"first-{example}")
    if scalar is None:
        return ""
    check_name(scalar, "a step id")
    if scalar.value in journey._ids:
        scalar.note(
            f"the step id `{scalar.value}` is used twice", "Every step needs an id of its own."
        )
    journey._ids[scalar.value] = section
    return scalar.value


def _read_wait(section: Section, step_id: str) -> Step | None:
    if section.is_mapping("wait"):
        inner = section.section("wait", "`wait`", WAIT_KEYS)
        if inner is None:
            return None
        if "until" not in inner:
            inner.note("`wait` needs a span or `until`", 'For example `wait: {until: "09:00"}`.')
        minute = inner.time_of_day("until")
        return None if minute is None else Wait(id=step_id, until_minute=minute)
    scalar = section.scalar("wait")
    if scalar is None:
        return None
    try:
        return Wait(id=step_id, duration=parse_duration(scalar.value))
    except ValueError as error:
        mend = "Write a span such as 30m, 24h, 3d, 2w or 6mo."
        if _is_time(scalar.value):
            mend = f'To wait for a time of day write `wait: {{until: "{scalar.value}"}}`.'
        scalar.note(str(error), mend)
        return None


def _is_time(text: str) -> bool:
    try:
        parse_time_of_day(text)
    except ValueError:
        return False
    return True


def _read_send(section: Section, step_id: str, journey: JourneyFile) -> Step | None:
    template = section.required("send", "welcome")
    kind = section.choice("kind", ("marketing", "transactional"), "marketing")
    topic = section.scalar("topic")
    if topic is not None:
        check_name(topic, "a topic")
    expires = section.duration("expires")
    if template is None:
        return None
    journey.templates.append(template)
    journey.marketing_sends += kind == "marketing"
    topic_name = topic.value if topic is not None else kind
    if expires is None:
        return Send(id=step_id, template=template.value, kind=kind, topic=topic_name)
    return Send(
        id=step_id, template=template.value, kind=kind, topic=topic_name, expires_after=expires
    )


def _read_branch(
    section: Section,
    step_id: str,
    condition: Expression | None,
    journey: JourneyFile,
    depth: int,
) -> Step | None:
    if "then" not in section:
        section.note("`if` needs `then`", "Give the steps to take: `then: [{id: ..., send: ...}]`.")
    then = _read_steps(section, "then", journey, depth + 1)
    otherwise = _read_steps(section, "else", journey, depth + 1)
    if condition is None:
        return None
    truth = _constant(condition.text)
    if truth is not None and (otherwise or not truth):
        section.note(
            f"the steps under `{'else' if truth else 'then'}` are never reached",
            f"The condition of `{step_id}` is always {str(truth).lower()}.",
            "else" if truth else "then",
        )
    return Branch(
        id=step_id,
        condition=condition.node,
        text=condition.text,
        then=then,
        otherwise=otherwise,
    )


def _constant(text: str) -> bool | None:
    """Tell what a condition written as a bare truth value always gives."""
    return {"true": True, "false": False}.get(text.strip().lower())
