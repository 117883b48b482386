"""Why a message was sent, held or not sent: facts first as one sentence, then step by step."""

from __future__ import annotations

from email import message_from_bytes, policy
from typing import Any

import msgspec

from tailorbird.base.time import format_micros
from tailorbird.delivery.decide import MARKETING
from tailorbird.journeys.effects import SendMessage
from tailorbird.ports import ledger as standing
from tailorbird.ports.ledger import Ledger, Message
from tailorbird.profiles.state import Condition
from tailorbird.services.message_record import asked_of, decode_record, unpack_bytes

_decode_effect = msgspec.msgpack.Decoder(SendMessage).decode


def public_profile_id(profile_id: int) -> str:
    """Return the id of a profile as the outside sees it."""
    return f"p_{profile_id:016x}"


def message_summary(message: Message) -> dict[str, Any]:
    """Return what lists show of a message."""
    return {
        "id": message.effect_id,
        "profile": public_profile_id(message.profile_id),
        "to": message.address,
        "subject": message.subject,
        "journey": message.journey,
        "step": message.step,
        "template": message.template,
        "kind": message.kind,
        "topic": message.topic,
        "status": message.status,
        "reason": message.reason,
        "due_at": format_micros(message.due_at),
        "finished_at": format_micros(message.finished_at) if message.finished_at else None,
        "attempts": message.attempts,
    }


def explanation(message: Message, profile_then: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the whole explanation of a message as JSON values; `sentence` says it in one.

    `profile_then` is the person as the message saw them (`message_record.profile_of`).
    """
    effect = _decode_effect(message.effect)
    record = decode_record(message)
    asked = asked_of(record)
    return {
        "id": message.effect_id,
        "sentence": _sentence(message, effect),
        "message": message_summary(message),
        "trigger": _trigger(effect),
        "journey": message.journey,
        "step": message.step,
        "run": effect.run_key,
        "run_started_at": format_micros(effect.triggered_at),
        "conditions": [
            _condition(one) for one in (*effect.conditions, *([asked] if asked else []))
        ],
        "due_at": format_micros(effect.due_at),
        "expires_at": format_micros(effect.expires_at),
        "decision": {
            "status": message.status,
            "reason": message.reason,
            "decided_at": format_micros(record["decided_at"]) if record else None,
            "address": message.address,
            "attempts": message.attempts,
            "consent": record.get("consent"),
            "checks": _checks(message, record),
            "missing": record.get("missing", []),
            "fallbacks": record.get("fallbacks", []),
        },
        "versions": {
            "journey": effect.version,
            "workspace": record.get("workspace_version"),
        },
        "delivery": {
            "status": message.status,
            "answer": message.reason if message.status == standing.SENT else "",
            "finished_at": format_micros(message.finished_at) if message.finished_at else None,
        },
        "profile_then": profile_then,
        "profile_offset": record.get("offset"),
    }


def sent_bytes(message: Message, ledger: Ledger) -> bytes | None:
    """Return the bytes that were handed over, None where none were."""
    record = decode_record(message)
    if "bytes" not in record:
        return None
    return unpack_bytes(record["bytes"], ledger.rendering(record["rendering"]))


def sent_parts(data: bytes) -> dict[str, str]:
    """Return subject, HTML and text of a message's bytes."""
    parsed = message_from_bytes(data, policy=policy.default)
    html = parsed.get_body(("html",))
    text = parsed.get_body(("plain",))
    return {
        "subject": str(parsed["subject"]),
        "html": html.get_content() if html is not None else "",
        "text": text.get_content() if text is not None else "",
    }


def as_text(found: dict[str, Any]) -> str:
    """Write an explanation for a terminal."""
    lines = [found["sentence"], ""]
    trigger = found["trigger"]
    lines.append(f"  trigger    {trigger['text']} at {trigger['at']}")
    lines.append(f"  journey    {found['journey']}, step {found['step']}, run {found['run']}")
    for one in found["conditions"]:
        sign = "yes" if one["holds"] else "no "
        lines.append(f"  asked      {one['step']}: {one['text']} -> {sign}  ({one['at']})")
        for value in one["values"]:
            shown = "missing" if value["value"] is None else value["value"]
            lines.append(f"               {value['text']} = {shown}")
    decision = found["decision"]
    for one in decision["checks"]:
        sign = "yes" if one["holds"] else "no "
        lines.append(f"  checked    {one['text']} -> {sign}  ({one['value']})")
    lines.append(f"  to         {decision['address'] or 'nobody: no address'}")
    lines.append(f"  outcome    {decision['status']}: {decision['reason'] or '-'}")
    if decision["missing"]:
        lines.append(f"  missing    {', '.join(decision['missing'])}")
    lines += [f"  fallback   {fallback}" for fallback in decision["fallbacks"]]
    versions = found["versions"]
    lines.append(f"  versions   journey {versions['journey']}, sent with {versions['workspace']}")
    if (same := found.get("is_same_again")) is not None:
        words = "the very bytes that left" if same else "OTHER bytes than those that left"
        lines.append(f"  again      rendering it again gives {words}")
    return "\n".join(lines)


def _trigger(effect: SendMessage) -> dict[str, Any]:
    trigger = effect.trigger
    at = format_micros(trigger["timestamp"])
    if "segment" in trigger:
        return {
            "kind": "segment",
            "text": f"entered the segment {trigger['segment']}",
            "segment": trigger["segment"],
            "at": at,
        }
    return {
        "kind": "event",
        "text": f"did {trigger['name']}",
        "event": trigger["name"],
        "message_id": trigger["message_id"],
        "properties": trigger["properties"],
        "at": at,
    }


def _checks(message: Message, record: dict[str, Any]) -> list[dict[str, Any]]:
    """What was asked of the person and the address before anything left, in plain words."""
    if not record:
        return []
    reason = record["suppressed_because"]
    checks = [
        {
            "text": "the address is not suppressed",
            "holds": reason is None,
            "value": reason or "not suppressed",
        }
    ]
    if message.kind != MARKETING:
        return checks
    consent, recent = record["consent"], len(record["sent_at"])
    given = {True: "given", False: "withdrawn", None: "never asked"}[consent]
    allowed = record["marketing_per_day"]
    checks.append(
        {
            "text": f"consent for {message.topic}",
            "holds": consent is True or (consent is None and not record["demands_consent"]),
            "value": given,
        }
    )
    if allowed:
        checks.append(
            {
                "text": f"fewer than {allowed} marketing mail(s) in the last 24 hours",
                "holds": recent < allowed,
                "value": str(recent),
            }
        )
    return checks


def _condition(one: Condition) -> dict[str, Any]:
    return {
        "step": one.step,
        "text": one.text,
        "holds": one.holds,
        "values": [{"text": name, "value": value} for name, value in one.values],
        "at": format_micros(one.at),
    }


_VERBS = {
    standing.SENT: "Sent",
    standing.INTENT: "Waiting to be sent",
    standing.HANDING_OVER: "Being sent",
    standing.HELD: "Held back for now",
    standing.SUPPRESSED: "Not sent",
    standing.FAILED: "Could not be sent",
    standing.EXPIRED: "Not sent any more",
    standing.UNKNOWN: "Perhaps sent",
}


def _sentence(message: Message, effect: SendMessage) -> str:
    trigger = effect.trigger
    at = format_micros(trigger["timestamp"])[:16].replace("T", " ")
    if "segment" in trigger:
        cause = f"the person came into the segment “{trigger['segment']}” on {at}"
    else:
        cause = f"the person did “{trigger['name'].replace('_', ' ')}” on {at}"
    waited = effect.due_at - effect.triggered_at
    later = f", {_span(waited)} later" if waited > 0 else ""
    passed = effect.conditions[1:]
    checks = f" and {len(passed)} further condition(s) were checked" if passed else ""
    sentence = (
        f"{_VERBS[message.status]}: the journey “{message.journey}” wanted to send"
        f" “{message.template}”{later}, because {cause}{checks}."
    )
    if message.status == standing.SENT:
        sentence = (
            f"Sent because {cause}: the journey “{message.journey}” sends"
            f" “{message.template}”{later}{checks}."
        )
    elif message.reason:
        sentence += f" The reason: {message.reason}."
    return sentence


def _span(micros: int) -> str:
    minutes = micros // 60_000_000
    for size, word in ((1_440, "day"), (60, "hour"), (1, "minute")):
        if minutes >= size:
            count = minutes // size
            return f"{count} {word}{'s' if count != 1 else ''}"
    return "a moment"
