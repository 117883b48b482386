"""`sources/NAME.yaml`: where events come from besides the calls of clients."""

from __future__ import annotations

import re

import yaml

from tailorbird.language import tree
from tailorbird.language.errors import ExpressionError
from tailorbird.language.parser import parse
from tailorbird.language.scope import SCORE, Scope
from tailorbird.language.shape import is_condition
from tailorbird.language.types import check
from tailorbird.workspace.definitions import (
    FieldPath,
    MapPart,
    MapValue,
    MessageMap,
    SourceDefinition,
)
from tailorbird.workspace.expressions import FILTER, Expression, note_expression_error
from tailorbird.workspace.sections import Scalar, Section, compose
from tailorbird.workspace.source import Source

# Which key names the place at the broker that is read.
PLACE_KEYS = {"redis": "stream", "rabbitmq": "queue", "nats": "stream", "kafka": "topic"}
KINDS = (*PLACE_KEYS, "webhook")
SENDERS = ("hmac", "shopify", "standard-webhooks", "stripe", "woocommerce")
READY_MADE = ("shopify", "stripe", "woocommerce")  # senders whose messages are understood
FORMATS = ("segment-json", "map", "ready-made")
SCHEMES = {
    "redis": ("redis", "rediss"),
    "rabbitmq": ("amqp", "amqps"),
    "nats": ("nats", "tls"),
    "kafka": ("kafka", "kafka+ssl"),
}
MAP_FIELDS = ("type", "event", "user_id", "anonymous_id", "message_id", "timestamp")
MAP_PARTS = ("properties", "traits", "context")
MAP_KEYS = (*MAP_FIELDS, *MAP_PARTS)

_EVERYWHERE = ("title", "description", "kind", "format", "map", "when", "historical")
_QUEUE = ("url", "group", "redeliver_after")
_OF_KIND = {
    "redis": (*_QUEUE, "stream", "field"),
    "rabbitmq": ("url", "queue"),
    "nats": (*_QUEUE, "stream", "subject"),
    "kafka": ("url", "topic", "group"),
    "webhook": ("sender", "secret", "header", "encoding", "tolerance"),
}
KEYS = tuple(dict.fromkeys((*_EVERYWHERE, *(key for keys in _OF_KIND.values() for key in keys))))

_PLACEHOLDER = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_PATH = re.compile(r"[A-Za-z_$][A-Za-z0-9_$-]*(\.[A-Za-z0-9_$-]+)*")
_CONSTANTS = ("true", "false", "null", "now")
_SECONDS = 1_000_000
_SECOND_MAX = 3_600


def read_source(source: Source, name: str) -> SourceDefinition | None:
    """Read a source; what is wrong is noted."""
    root = compose(source)
    if root is None:
        return None
    section = Section(source, root, "a source", KEYS)
    if section.required("kind", "redis") is None:
        return None
    kind = section.choice("kind", KINDS, "")
    if not kind:
        return None
    for key in KEYS:
        if key in section and key not in (*_EVERYWHERE, *_OF_KIND[kind]):
            known = ", ".join((*_EVERYWHERE, *_OF_KIND[kind]))
            section.note(f"a {kind} source has no `{key}`", f"Its keys: {known}.", key)
    sender = section.choice("sender", SENDERS, "hmac") if kind == "webhook" else ""
    messages = _read_map(section)
    form = _read_format(section, sender, has_map=messages is not None or "map" in section)
    place = section.required(PLACE_KEYS[kind], "events") if kind in PLACE_KEYS else None
    return SourceDefinition(
        name=name,
        title=section.text("title") or name.replace("-", " ").replace("_", " ").capitalize(),
        description=section.text("description"),
        kind=kind,
        url=_read_url(section, kind) if kind != "webhook" else "",
        place=place.value.strip() if place is not None else "",
        subject=section.text("subject"),
        group=section.text("group", "tailorbird"),
        field=section.text("field", "data"),
        redeliver_seconds=_seconds(section, "redeliver_after", 30),
        format=form,
        map=messages,
        when=_read_when(section),
        is_historical=section.choice("historical", ("true", "false"), "false") == "true",
        sender=sender,
        secret=_read_secret(section) if kind == "webhook" else "",
        header=section.text("header", "x-signature").lower(),
        encoding=section.choice("encoding", ("hex", "base64"), "hex"),
        tolerance_seconds=_seconds(section, "tolerance", 300),
    )


def source_expressions(source: Source) -> list[Expression]:
    """Return the expressions of a source without errors; plain paths of its map are none."""
    root = compose(source)
    if root is None:
        return []
    section = Section(source, root, "a source", KEYS)
    scalars = [section.scalar("when")]
    inner = section.section("map", "a map", MAP_KEYS)
    for key in MAP_KEYS if inner is not None else ():
        assert inner is not None
        if not inner.is_mapping(key):
            scalars.append(inner.scalar(key))
            continue
        named = [node for _, node in inner.open_mapping(key)]
        scalars += [Scalar(source, one) for one in named if isinstance(one, yaml.ScalarNode)]
    return [
        Expression(node=node, text=one.value.strip(), scalar=one, place=FILTER, event="message")
        for one in scalars
        if one is not None
        and not isinstance(_value(one), FieldPath)
        and (node := read_map_expression(one)) is not None
    ]


def placeholders(text: str) -> list[str]:
    """Return the names of the environment variables that a text wants."""
    return _PLACEHOLDER.findall(text)


def with_secrets(text: str, secrets: dict[str, str]) -> str:
    """Put secrets in the place of their names; a name without one stays as it is."""
    return _PLACEHOLDER.sub(lambda found: secrets.get(found[1], found[0]), text)


def _read_format(section: Section, sender: str, *, has_map: bool) -> str:
    usual = "map" if has_map else "ready-made" if sender in READY_MADE else "segment-json"
    found = section.choice("format", FORMATS, usual)
    if has_map and found != "map":
        section.note(
            f"`map` and `format: {found}` exclude one another", "Keep one of the two.", "format"
        )
    elif found == "map" and not has_map:
        section.note(
            "`format: map` needs `map`", "For example `map: {user_id: customer.id}`.", "format"
        )
    elif found == "ready-made" and sender not in READY_MADE:
        section.note(
            "there is no ready-made reading of these messages",
            f"It is there for webhooks of {', '.join(READY_MADE)}; otherwise write a `map`.",
            "format",
        )
    return found


def _read_url(section: Section, kind: str) -> str:
    scheme = SCHEMES[kind][0]
    found = section.required("url", f"{scheme}://localhost")
    if found is None:
        return ""
    url = found.value.strip()
    if "${" in _PLACEHOLDER.sub("", url):
        found.note(
            "`${` begins the name of an environment variable, and this one does not end",
            "Write `${NAME}` with letters, digits and _.",
        )
    if _PLACEHOLDER.match(url):
        return url  # what it holds is judged when the source is opened
    if url.partition("://")[0] not in SCHEMES[kind]:
        ways = " or ".join(f"{one}://HOST" for one in SCHEMES[kind])
        # The line may hold a password: it is not shown.
        section.source.note(
            f"`url` is no URL of {kind}", f"Write {ways}, with USER:${{NAME}}@ if needed."
        )
    secret = url.partition("://")[2].rpartition("@")[0].partition(":")[2]
    if secret and not _PLACEHOLDER.fullmatch(secret):
        section.source.note(
            "the password of `url` stands in the file",
            "Write ${NAME} and set the environment variable NAME where Tailorbird runs.",
            is_warning=True,
        )
    return url


def _read_secret(section: Section) -> str:
    found = section.required("secret", "${SHOP_WEBHOOK_SECRET}")
    if found is None:
        return ""
    if not _PLACEHOLDER.fullmatch(found.value.strip()):
        section.source.note(
            "`secret` stands in the file",
            "Write ${NAME} and set the environment variable NAME where Tailorbird runs.",
            is_warning=True,
        )
    return found.value.strip()


def _seconds(section: Section, key: str, usual: int) -> int:
    found = section.duration(key)
    if found is None:
        return usual
    seconds = found.micros // _SECONDS
    if found.months or not 1 <= seconds <= _SECOND_MAX:
        section.note(f"`{key}` must lie between 1s and 1h", f"For example `{key}: {usual}s`.", key)
        return usual
    return seconds


def _read_when(section: Section) -> tree.Node | None:
    scalar = section.scalar("when")
    if scalar is None:
        return None
    node = read_map_expression(scalar)
    if node is not None and not is_condition(node):
        scalar.note("this is no condition", "For example `when: not test = true`.")
    return node


def _read_map(section: Section) -> MessageMap | None:
    inner = section.section("map", "a map", MAP_KEYS)
    if inner is None:
        return None
    if not any(key in inner for key in ("user_id", "anonymous_id")):
        inner.note("nothing says whose event it is", "Add `user_id: ...` or `anonymous_id: ...`.")
    fields: dict[str, MapValue] = {}
    for key in MAP_FIELDS:
        scalar = inner.scalar(key)
        value = _value(scalar) if scalar is not None else None
        if value is not None:
            fields[key] = value
    if "type" not in inner and "event" not in inner:
        inner.note(
            "nothing says what happened",
            "Add `event: \"'Order Completed'\"`, or `type: \"'identify'\"`.",
        )
    return MessageMap(fields=fields, parts=_read_parts(inner))


def _read_parts(inner: Section) -> dict[str, MapPart]:
    parts: dict[str, MapPart] = {}
    for key in MAP_PARTS:
        if inner.is_mapping(key):
            named: dict[str, MapValue] = {}
            for name, node in inner.open_mapping(key):
                if not isinstance(node, yaml.ScalarNode):
                    name.note(f"`{name.value}` must be a text", "Write `name: path.in.message`.")
                    continue
                value = _value(Scalar(inner.source, node))
                if value is not None:
                    named[name.value] = value
            parts[key] = named
            continue
        scalar = inner.scalar(key)
        whole = _value(scalar) if scalar is not None else None
        if whole is not None:
            parts[key] = whole
    return parts


def _value(scalar: Scalar) -> MapValue | None:
    """Read one side of a map: a plain path is taken as it stands, all else is an expression."""
    text = scalar.value.strip()
    if _PATH.fullmatch(text) and text not in _CONSTANTS:
        return FieldPath(parts=tuple(text.split(".")))
    return read_map_expression(scalar)


def read_map_expression(scalar: Scalar) -> tree.Node | None:
    """Read an expression about one message or row; what is wrong is noted."""
    try:
        node = parse(scalar.value, in_where=True)
    except ExpressionError as error:
        note_expression_error(scalar, error)
        return None
    asked = node if is_condition(node) else tree.IsNull(value=node)
    whole = tree.Aggregate(kind="any", selectors=(tree.Selector(event="message", where=asked),))
    for fault in check(whole, Scope(place=SCORE), scalar.value)[1]:
        lines = scalar.value.splitlines(keepends=True)
        at = sum(map(len, lines[: fault.line - 1])) + fault.column - 1
        scalar.note(fault.message, fault.mend, at=at, length=fault.length)
    return node
