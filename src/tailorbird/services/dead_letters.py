"""Refused items tried again, mended or not, on the way that every event goes.

A letter is settled only after the log has its events, and a replayed item keeps its message id or
gets the one that was kept with it: trying again after a crash in between changes nothing.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import structs

from tailorbird.base.time import format_micros
from tailorbird.events.decode import (
    ITEM_BYTES_MAX,
    REQUEST_BYTES_MAX,
    Accepted,
    decode_item,
    spread,
)
from tailorbird.events.documents import Batch, decode_batch, sent_at_of
from tailorbird.events.identifiers import DEFAULT_RULES, IdentityRules
from tailorbird.events.refusal import MENDS, Refusal, Rule, excerpt
from tailorbird.ports.clock import Clock
from tailorbird.ports.dead_letters import (
    BATCH,
    DROPPED,
    MESSAGE,
    REPLAYED,
    DeadLetters,
    Group,
    Letter,
    Refused,
    Which,
)
from tailorbird.ports.log_writer import DUPLICATE, RETRY, LogWriter
from tailorbird.services.hooks.ready_made import ready_made_items
from tailorbird.services.ingest import Standardise, draft_of
from tailorbird.services.mend import Mend, NoObject
from tailorbird.services.source_messages import Bad, Item, items_of, object_in
from tailorbird.workspace.definitions import SourceDefinition

ACCEPTED, KNOWN, REFUSED, LATER = "accepted", "duplicate", "refused", "retry"
_PAGE = 50
# Of so many attempts, a little more, the bytes are told; of more they would fill the memory.
TOLD = 100
# Numbers go through as they were written: a double would cut long ones.
_decode = msgspec.json.Decoder(float_hook=Decimal).decode
_encode = msgspec.json.Encoder(decimal_format="number").encode


@dataclass(slots=True, kw_only=True)
class Attempt:
    """What became of a letter that was tried again; `after` are its items as they were tried."""

    letter: Letter
    status: str  # accepted, duplicate, refused or retry
    events: int = 0
    refusal: Refusal | None = None
    after: list[bytes] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "id": self.letter.id,
            "status": self.status,
            "events": self.events,
            "error": None if self.refusal is None else self.refusal.to_json(),
            "after": [raw.decode("utf-8", "replace") for raw in self.after],
        }


@dataclass(slots=True)
class _Tried:
    """The items of one letter, read: each with its bytes and what decoding made of it."""

    letter: Letter
    items: list[tuple[bytes, Accepted | Refusal]]


class Replayer:
    """Tries letters again."""

    def __init__(
        self,
        letters: DeadLetters,
        writer: LogWriter,
        clock: Clock,
        rules: Callable[[], IdentityRules] = lambda: DEFAULT_RULES,
        standardise: Standardise | None = None,
        sources: Callable[[], Mapping[str, SourceDefinition]] = dict,
    ) -> None:
        self._letters = letters
        self._writer = writer
        self._clock = clock
        self._rules = rules
        self._standardise = standardise
        self._sources = sources

    async def replay(
        self,
        which: Which,
        mend: Mend | None = None,
        *,
        raw: bytes | None = None,
        is_dry: bool = False,
        limit: int | None = None,
    ) -> list[Attempt]:
        """Try letters again.

        Args:
            which: Which letters.
            mend: What to do with each item first.
            raw: Bytes to put in the place of a single letter's.
            is_dry: Only tell what would become of them.
            limit: Most letters to try.
        """
        found: list[Attempt] = []
        after = 0
        while limit is None or len(found) < limit:
            page = _PAGE if limit is None else min(_PAGE, limit - len(found))
            letters = self._letters.letters(which, after=after, limit=page)
            if not letters:
                break
            after = letters[-1].id
            tried = [self._read(one, mend, one.raw if raw is None else raw) for one in letters]
            self._apply_steps(tried)
            attempts = [_outlook(one) for one in tried] if is_dry else await self._append(tried)
            found += [_without_bytes(one) for one in attempts] if len(found) > TOLD else attempts
        return found

    # -- reading ---------------------------------------------------------------------------------

    def _read(self, letter: Letter, mend: Mend | None, raw: bytes) -> _Tried:
        if letter.is_cut and raw is letter.raw:
            detail = "it was larger than what is kept of it; send it again in parts"
            refusal = Refusal(Rule.TOO_LARGE, letter.field or "body", letter.value, detail)
            return _Tried(letter, [(raw, refusal)])
        if _is_message(letter):
            return self._read_message(letter, mend, raw)
        if letter.call == BATCH:
            body = decode_batch(raw)
            if isinstance(body, Refusal):
                return _Tried(letter, [(raw, body)])
            sent_at = sent_at_of(body)
            items = body.batch if isinstance(body, Batch) else None
            if items is None:
                detail = "a batch call needs a list `batch`"
                return _Tried(letter, [(raw, Refusal(Rule.MISSING, "batch", "", detail))])
            return _Tried(
                letter,
                [
                    self._decode(letter, mend, bytes(item), index, None, sent_at)
                    for index, item in enumerate(items)
                ],
            )
        call = letter.call or None
        return _Tried(letter, [self._decode(letter, mend, raw, 0, call, letter.sent_at)])

    def _read_message(self, letter: Letter, mend: Mend | None, raw: bytes) -> _Tried:
        """Read a source's message by its definition of today."""
        definition = self._sources().get(letter.source)
        if definition is None:
            detail = f"{letter.source} is no source any more: let the sender send it to another"
            return _Tried(letter, [(raw, Refusal(Rule.MISSING, "source", letter.source, detail))])
        mended = _mended(mend, raw, letter.at)
        if isinstance(mended, Refusal):
            return _Tried(letter, [(raw, mended)])
        if definition.format == "ready-made":
            topic = letter.call.removeprefix(MESSAGE).lstrip()
            found = ready_made_items(definition, topic, mended)
        else:
            found = items_of(definition, mended, _id_of(letter), None, letter.at)
        if isinstance(found, str):
            return _Tried(letter, [(raw, Refusal(Rule.UNKNOWN_CALL, "topic", "", found))])
        items: list[tuple[bytes, Accepted | Refusal]] = []
        for index, one in enumerate(found):
            if isinstance(one, Bad):
                items.append((one.raw, one.refusal))
            elif isinstance(one, Item):
                items.append(self._decode(letter, None, one.raw, index, None, None))
        return _Tried(letter, items)

    def _decode(
        self,
        letter: Letter,
        mend: Mend | None,
        raw: bytes,
        index: int,
        call: str | None,
        sent_at: int | None,
    ) -> tuple[bytes, Accepted | Refusal]:
        mended = _mended(mend, raw, letter.at)
        if isinstance(mended, Refusal):
            return raw, mended
        return mended, decode_item(
            mended,
            call=call,
            now=letter.at,
            sent_at=sent_at,
            fresh_id=_fresh_id(letter, index),
            source=letter.source,
            is_historical=letter.is_historical,
            rules=self._rules(),
            # As it came: a source's messages may be as large as a request.
            bytes_max=REQUEST_BYTES_MAX if letter.source in self._sources() else ITEM_BYTES_MAX,
        )

    def _apply_steps(self, tried: Sequence[_Tried]) -> None:
        for one in tried:
            decoded = [found for _, found in one.items]
            if self._standardise is not None:
                decoded = self._standardise(decoded, ip=None, rules=self._rules())
            spread([found for found in decoded if isinstance(found, Accepted)])
            one.items = [(raw, found) for (raw, _), found in zip(one.items, decoded, strict=True)]

    # -- appending -------------------------------------------------------------------------------

    async def _append(self, tried: Sequence[_Tried]) -> list[Attempt]:
        now = self._clock.now()
        good = [found for one in tried for _, found in one.items if isinstance(found, Accepted)]
        # They came over hours and days: it is no flood that they come together now.
        drafts = [structs.replace(draft_of(one, now), is_historical=True) for one in good]
        answers = await self._writer.write(drafts) if drafts else []
        statuses = iter([answer.status for answer in answers])
        attempts: list[Attempt] = []
        done: list[int] = []
        rests: list[tuple[Letter, list[Refused]]] = []
        for one in tried:
            attempt = _outlook(one)
            mine = [next(statuses) for _, found in one.items if isinstance(found, Accepted)]
            if RETRY in mine:
                attempt.status = LATER
            elif mine and all(status == DUPLICATE for status in mine):
                attempt.status = KNOWN if attempt.refusal is None else REFUSED
            attempts.append(attempt)
            if attempt.status == LATER:
                continue
            if attempt.refusal is None:
                done.append(one.letter.id)
            elif mine:
                # A part of a batch went through: what did not is a letter of its own.
                rests.append((one.letter, _refused(one)))
                done.append(one.letter.id)
            else:
                self._letters.refuse_again(one.letter.id, attempt.refusal)
        self._letters.settle(done, REPLAYED, rests)
        return attempts


def drop(letters: DeadLetters, which: Which) -> int:
    """Drop letters; return how many."""
    count = 0
    while found := letters.letters(which, limit=500):
        letters.settle([one.id for one in found], DROPPED)
        count += len(found)
    return count


def letter_json(letter: Letter) -> dict[str, Any]:
    """Return a letter as plain JSON values; `raw_base64` is there where the bytes are no text."""
    try:
        shown: dict[str, Any] = {"raw": letter.raw.decode()}
    except UnicodeDecodeError:
        encoded = base64.b64encode(letter.raw).decode()
        shown = {"raw": letter.raw.decode("utf-8", "replace"), "raw_base64": encoded}
    return {
        "id": letter.id,
        "at": format_micros(letter.at),
        "source": letter.source,
        "call": letter.call,
        "field": letter.field,
        "value": letter.value,
        "rule": letter.rule,
        "message": letter.detail or f"{letter.field}: {letter.rule.replace('_', ' ')}",
        "mend": _mend_of(letter.rule),
        "is_cut": letter.is_cut,
        **shown,
    }


def group_json(group: Group) -> dict[str, Any]:
    """Return a group as plain JSON values."""
    return {
        "rule": group.rule,
        "field": group.field,
        "source": group.source,
        "count": group.count,
        "first_at": format_micros(group.first_at),
        "last_at": format_micros(group.last_at),
        "latest": letter_json(group.latest),
    }


def _mend_of(rule: str) -> str:
    return next((text for one, text in MENDS.items() if one.value == rule), "")


def _without_bytes(attempt: Attempt) -> Attempt:
    attempt.letter, attempt.after = structs.replace(attempt.letter, raw=b""), []
    return attempt


def _mended(mend: Mend | None, raw: bytes, now: int) -> bytes | Refusal:
    if mend is None:
        return raw
    seen = object_in(raw, is_loose=True)
    if isinstance(seen, Refusal):
        return seen
    try:
        return _encode(mend.apply(_decode(raw), now))
    except msgspec.DecodeError:
        # NaN or half a character: the mend may take it away, and what it leaves is refused again.
        return json.dumps(mend.apply(seen, now), default=float).encode()
    except NoObject as problem:
        found = excerpt(problem.found)
        return Refusal(Rule.WRONG_TYPE, problem.path, found, f"the mend cannot be made: {problem}")


def _outlook(tried: _Tried) -> Attempt:
    refusals = [found for _, found in tried.items if isinstance(found, Refusal)]
    return Attempt(
        letter=tried.letter,
        status=REFUSED if refusals else ACCEPTED,
        events=len(tried.items) - len(refusals),
        refusal=refusals[0] if refusals else None,
        after=[raw for raw, _ in tried.items],
    )


def _refused(tried: _Tried) -> list[Refused]:
    letter = tried.letter
    return [
        Refused(
            found,
            raw,
            "",
            letter.sent_at,
            _fresh_id(letter, index),
            letter.is_historical,
        )
        for index, (raw, found) in enumerate(tried.items)
        if isinstance(found, Refusal)
    ]


def _is_message(letter: Letter) -> bool:
    return letter.call.partition(" ")[0] == MESSAGE


def _fresh_id(letter: Letter, index: int) -> str:
    """Return the message id of a letter's item that names none: the same at every attempt."""
    is_whole = letter.call == BATCH or _is_message(letter)
    return f"{_id_of(letter)}-{index}" if is_whole or not letter.fresh_id else letter.fresh_id


def _id_of(letter: Letter) -> str:
    # The number alone comes again where somebody removes the file.
    return letter.fresh_id or f"dead-letter-{letter.at}-{letter.id}"
