"""Ingest: a request's bytes to records in the log, with an honest answer for each item."""

from __future__ import annotations

import zlib
from codecs import BOM_UTF8
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import msgspec
import structlog

from tailorbird.base.problems import OperationalError
from tailorbird.base.time import DAY
from tailorbird.delivery.suppression import NAMES
from tailorbird.events.decode import (
    BATCH_ITEMS_MAX,
    REQUEST_BYTES_MAX,
    Accepted,
    decode_items,
    message_id_of,
    spread,
)
from tailorbird.events.documents import Batch, Body, decode_batch, decode_body, sent_at_of, text_of
from tailorbird.events.event import encode
from tailorbird.events.identifiers import DEFAULT_RULES, IdentityRules
from tailorbird.events.reading import is_plain
from tailorbird.events.refusal import Refusal, Rule, excerpt
from tailorbird.ports.clock import Clock
from tailorbird.ports.dead_letters import BATCH, Refused
from tailorbird.ports.log_writer import (
    ACCEPTED,
    DUPLICATE,
    NOISY,
    RETRY,
    Answer,
    EventDraft,
    LogWriter,
)

RETRY_AFTER_SECONDS = 1
_ENCODINGS = frozenset({"", "gzip", "x-gzip", "identity"})

_log = structlog.get_logger("ingest")


class Keeping(Protocol):
    """Keeps what was refused, with its reason; see `ports.dead_letters`."""

    def keep(self, at: int, source: str, items: Sequence[Refused]) -> None: ...


# Tells the address that a request comes from, None where that says nothing; asked when needed.
SenderIp = Callable[[], str | None]


class Standardise(Protocol):
    """The steps between decoding and the log; see `services.standardise`."""

    def __call__(
        self, items: Sequence[Accepted | Refusal], *, ip: SenderIp | None, rules: IdentityRules
    ) -> list[Accepted | Refusal]: ...


@dataclass(slots=True)
class Answered:
    """A status code, a JSON body, and counts for the metrics."""

    status: int
    body: dict[str, Any]
    accepted: int = 0
    duplicate: int = 0
    noisy: int = 0  # of the accepted, those that are kept and not reduced
    refused: dict[str, int] = field(default_factory=dict)


class Ingest:
    """The one way in: HTTP, import and tests use it."""

    def __init__(
        self,
        writer: LogWriter,
        clock: Clock,
        dead_letters: Keeping,
        fresh_id: Callable[[], str],
        rules: Callable[[], IdentityRules] = lambda: DEFAULT_RULES,
        standardise: Standardise | None = None,
    ) -> None:
        """`rules` tells which identifiers count, asked once a request; then come the steps."""
        self._writer = writer
        self._clock = clock
        self._dead_letters = dead_letters
        self._fresh_id = fresh_id
        self._rules = rules
        self._standardise = standardise

    async def call(
        self,
        call: str,
        data: bytes,
        *,
        encoding: str = "",
        may_write: Callable[[str | None], bool],
        source: str = "http",
        ip: SenderIp | None = None,
        agent: str | None = None,
    ) -> Answered:
        """Take one request. `call` is a Segment call or `batch`; `may_write` judges the key.

        `may_write` is given the body's `writeKey` or None, and knows the header's. `ip` tells
        where the request came from. `agent` is the user agent of the browser that sent it: it is
        taken over by items that bring none.
        """
        unpacked = unpack(data, encoding)
        if isinstance(unpacked, Refusal):
            if not may_write(None):
                return unauthorised()
            return self._refuse_all(unpacked, data, call, source)
        body = decode_batch(unpacked) if call == "batch" else decode_body(unpacked)
        if isinstance(body, Refusal):
            if not may_write(None):
                return unauthorised()
            return self._refuse_all(_told_packing(body, encoding), unpacked, call, source)
        if not may_write(text_of(body.writeKey)):
            return unauthorised()
        are_plain = is_plain(unpacked)
        if not isinstance(body, Batch):
            one = [msgspec.Raw(unpacked)]
            return await self._take(one, are_plain, call, body, source, ip, agent, is_single=True)
        if body.batch is None:
            refusal = Refusal(Rule.MISSING, "batch", "", "a batch call needs a list `batch`")
            return self._refuse_all(refusal, unpacked, call, source)
        if len(body.batch) > BATCH_ITEMS_MAX:
            detail = f"{len(body.batch):,} events; at most {BATCH_ITEMS_MAX:,} are taken at once"
            refusal = Refusal(Rule.TOO_MANY, "batch", str(len(body.batch)), detail)
            return self._refuse_all(refusal, unpacked, call, source)
        return await self._take(
            body.batch, are_plain, None, body, source, ip, agent, is_single=False
        )

    def refuse_large(self, call: str, length: str, begun: bytes | None) -> Answered:
        """Refuse a request of which no more than the beginning was read, and keep that.

        `length` is what the request says of itself; `begun` is None where nothing is to be kept.
        """
        detail = f"the request is larger than {REQUEST_BYTES_MAX:,} bytes"
        refusal = Refusal(Rule.TOO_LARGE, "body", length, detail)
        if begun is None:
            return Answered(413, {"error": refusal.to_json()})
        return self._refuse_all(refusal, begun, call, "http")

    async def _take(
        self,
        items: Sequence[msgspec.Raw],
        are_plain: bool,
        call: str | None,
        body: Body,
        source: str,
        ip: SenderIp | None,
        agent: str | None,
        *,
        is_single: bool,
    ) -> Answered:
        now = self._clock.now()
        sent_at = sent_at_of(body)
        fresh = ""

        def fresh_id(index: int) -> str:
            # One draw of randomness a request, where a client names no messages.
            nonlocal fresh
            fresh = fresh or self._fresh_id()
            return fresh if is_single else f"{fresh}-{index}"

        rules = self._rules()
        decoded = decode_items(
            items,
            call=call,
            now=now,
            sent_at=sent_at,
            fresh_id=fresh_id,
            are_plain=are_plain,
            source=source,
            rules=rules,
        )
        if agent is not None:
            _tell_agent(decoded, agent)
        if self._standardise is not None:
            decoded = self._standardise(decoded, ip=ip, rules=rules)
        good = [one for one in decoded if isinstance(one, Accepted)]
        spread(good)
        answers = await self._writer.write([draft_of(one, now) for one in good]) if good else []
        if len(good) < len(decoded):
            refused = [
                Refused(one, bytes(items[index]), call or "", sent_at, fresh_id(index))
                for index, one in enumerate(decoded)
                if isinstance(one, Refusal)
            ]
            self._keep(now, source, refused)
        elif [one.status for one in answers] == [ACCEPTED] * len(good):
            return _all_stored(good, is_single=is_single)
        return _answer(items, decoded, answers, is_single=is_single)

    def _keep(self, at: int, source: str, items: Sequence[Refused]) -> None:
        try:
            self._dead_letters.keep(at, source, items)
        except OperationalError as problem:
            # The answer tells the sender of the refusal in any case.
            _log.error("dead_letters_not_kept", count=len(items), reason=str(problem))

    def _refuse_all(self, refusal: Refusal, data: bytes, call: str, source: str) -> Answered:
        name = BATCH if call == "batch" else call
        kept = Refused(refusal, data, name, fresh_id=self._fresh_id())
        self._keep(self._clock.now(), source, [kept])
        status = 413 if refusal.rule is Rule.TOO_LARGE else 400
        return Answered(status, {"error": refusal.to_json()}, refused={refusal.rule.value: 1})


def _told_packing(refusal: Refusal, encoding: str) -> Refusal:
    """Say of a body that is no JSON that it may be packed in a way that is not read."""
    if refusal.rule is not Rule.NOT_JSON or encoding.strip().lower() in _ENCODINGS:
        return refusal
    detail = f"{refusal.detail}; the body is said to be packed as {excerpt(encoding)!r}, and only"
    return replace(refusal, detail=f"{detail} gzip is unpacked")


def unpack(data: bytes, encoding: str) -> bytes | Refusal:
    """Undo gzip, leave out a byte order mark; refuse what is too large before and after."""
    if len(data) > REQUEST_BYTES_MAX:
        detail = f"the request has {len(data):,} bytes; at most {REQUEST_BYTES_MAX:,} are taken"
        return Refusal(Rule.TOO_LARGE, "body", f"{len(data)} bytes", detail)
    if data[:2] != b"\x1f\x8b" and (not encoding or encoding.strip().lower() != "gzip"):
        return data.removeprefix(BOM_UTF8)
    unpacked, rest = b"", data
    while rest:  # gzip may come in several members, one after the other: RFC 1952, 2.2
        unpacker = zlib.decompressobj(wbits=31)
        try:
            unpacked += unpacker.decompress(rest, REQUEST_BYTES_MAX + 1 - len(unpacked))
        except zlib.error as problem:
            detail = f"not valid gzip: {problem}"
            return Refusal(Rule.NOT_JSON, "body", f"{len(data)} bytes", detail)
        if len(unpacked) > REQUEST_BYTES_MAX:
            detail = f"the request unpacks to more than {REQUEST_BYTES_MAX:,} bytes"
            return Refusal(Rule.TOO_LARGE, "body", f"{len(data)} bytes gzip", detail)
        if not unpacker.eof:
            detail = "the gzip data are cut short"
            return Refusal(Rule.NOT_JSON, "body", f"{len(data)} bytes", detail)
        rest = unpacker.unused_data.lstrip(b"\0")
    return unpacked.removeprefix(BOM_UTF8)


def draft_of(accepted: Accepted, now: int) -> EventDraft:
    """Return an event that was accepted at `now` as the log's writer takes it."""
    event = accepted.event
    return EventDraft(
        accepted.identifiers,
        accepted.dedup,
        encode(event),
        accepted.previous,
        event.name in NAMES,
        event.timestamp < now - DAY,
        event.is_historical,
    )


def unauthorised() -> Answered:
    """Return the answer to a request without a known write key."""
    return Answered(
        401,
        {
            "error": {
                "field": "writeKey",
                "value": "",
                "rule": "unauthorised",
                "message": "the write key is missing or unknown",
                "mend": "Send the write key as the user name of Basic authentication, as a bearer"
                " token, or as writeKey in the body; `tailorbird init` printed it.",
            }
        },
    )


def _tell_agent(decoded: Sequence[Accepted | Refusal], agent: str) -> None:
    for one in decoded:
        if isinstance(one, Accepted) and "userAgent" not in one.event.context:
            one.event.context["userAgent"] = agent


def _answer(
    raw: Sequence[msgspec.Raw],
    decoded: Sequence[Accepted | Refusal],
    answers: Sequence[Answer],
    *,
    is_single: bool,
) -> Answered:
    out = Answered(200, {})
    items: list[dict[str, Any]] = []
    left = iter(answers)
    is_retry = False
    for index, one in enumerate(decoded):
        if isinstance(one, Refusal):
            out.refused[one.rule.value] = out.refused.get(one.rule.value, 0) + 1
            message_id = message_id_of(raw[index])
            items.append(
                {"index": index, "status": "refused", "message_id": message_id, **one.to_json()}
            )
            continue
        status = next(left).status
        word = "ok"
        if status == RETRY:
            word, is_retry = "retry", True
        elif status == DUPLICATE:
            word = "duplicate"
            out.duplicate += 1
        else:
            out.accepted += 1
        item = {"index": index, "status": word, "message_id": one.event.message_id}
        if status == NOISY:
            out.noisy += 1
            item["noisy"] = True
        items.append(item)
    if is_retry:
        out.status = 503
        error = {
            "rule": "retry",
            "message": "not everything was stored; send the same request again",
            "mend": "Repeat the request after the pause that Retry-After names: what was stored"
            " already is recognised by its messageId.",
        }
        out.body = {"error": error, "items": items}
    elif out.refused:
        out.status = 413 if is_single and "too_large" in out.refused else 400
        first = next(item for item in items if item["status"] == "refused")
        error = {key: first[key] for key in ("field", "value", "rule", "message", "mend")}
        if not is_single:
            error["message"] = _summed_up(sum(out.refused.values()), len(items), error["message"])
        out.body = {"error": error} if is_single else {"error": error, "items": items}
    elif is_single:
        out.body = {"success": True, "message_id": items[0]["message_id"]}
    else:
        out.body = {"success": True, "items": items}
    return out


def _summed_up(refused: int, count: int, first: str) -> str:
    stored = ", the others are stored" if refused < count else ""
    return f"{refused} of {count} events were refused{stored}; the first: {first}"


def _all_stored(stored: Sequence[Accepted], *, is_single: bool) -> Answered:
    """Answer nearly every request; nothing is looked at that is known already."""
    if is_single:
        return Answered(200, {"success": True, "message_id": stored[0].event.message_id}, 1)
    items = [
        {"index": index, "status": "ok", "message_id": one.event.message_id}
        for index, one in enumerate(stored)
    ]
    return Answered(200, {"success": True, "items": items}, len(items))
