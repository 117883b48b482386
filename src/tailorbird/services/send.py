"""Delivery: from the outbox to the mail server, each step noted in the ledger before the next.

A message is decided and rendered from the profile as it is now, handed over after the ledger says
`handing_over`, and its outcome goes back to the log as an event. Consent and suppression are read
last. Everything before the hand-over may be repeated; only what a crash catches between the final
dot and the answer is `unknown`.
"""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog

from tailorbird.base.hashing import hash64
from tailorbird.base.time import DAY, MICROSECONDS, format_micros
from tailorbird.content.render import Rendered, RenderProblem, renderer_of
from tailorbird.delivery.assemble import Envelope, assemble
from tailorbird.delivery.decide import (
    MARKETING,
    Deliver,
    Expire,
    Facts,
    Hold,
    Suppress,
    address_of,
    decide,
)
from tailorbird.delivery.links import LinkSigner
from tailorbird.delivery.suppression import address_hash
from tailorbird.events.event import Event, encode, order_of, partition_of
from tailorbird.journeys.effects import SendMessage
from tailorbird.ports import ledger as standing
from tailorbird.ports.clock import Clock
from tailorbird.ports.control_store import ControlStore
from tailorbird.ports.ledger import Ledger, Message
from tailorbird.ports.log_writer import RETRY, EventDraft, LogWriter
from tailorbird.ports.mail_sender import (
    Accepted,
    HandOverResult,
    MailSender,
    Refused,
    Uncertain,
)
from tailorbird.ports.state_store import OutboxRow, StateStore
from tailorbird.ports.suppression_store import SuppressionStore
from tailorbird.profiles.state import ProfileState, decode
from tailorbird.reducer.reducer import Reducer
from tailorbird.workspace.definitions import TemplateDefinition, Workspace

ROUND_MAX = 200
HANDING_OVER_MAX = 10  # as many as the sender has connections
RETRY_SECONDS_MIN = 30
RETRY_SECONDS_MAX = 3_600
ATTEMPTS_MAX = 30
_REDIRECTS_MAX = 20
# zlib looks back 32 KB: of a template's first rendering this much serves the later ones.
_BASE_BYTES = 32_000

MAIL_STATUS = "mail_status"
SENDING_STOPPED = "sending_stopped"

_log = structlog.get_logger("deliver")
_decode_effect = msgspec.msgpack.Decoder(SendMessage).decode


@dataclass(slots=True)
class _Ready:
    """A message that may leave, with its bytes."""

    message: Message
    address: str
    sender: str
    data: bytes


class Delivery:
    """One process delivers for all engines of a data folder."""

    def __init__(
        self,
        *,
        states: Sequence[StateStore],
        ledger: Ledger,
        suppression: SuppressionStore,
        control: ControlStore,
        writer: LogWriter,
        sender: MailSender,
        clock: Clock,
        load_workspace: Callable[[str], Workspace],
        live_version: Callable[[], str | None],
        token_key: bytes,
    ) -> None:
        self._states = states
        self._ledger = ledger
        self._suppression = suppression
        self._control = control
        self._writer = writer
        self._sender = sender
        self._clock = clock
        self._load_workspace = load_workspace
        self._live_version = live_version
        self._token_key = token_key
        self._reducers: dict[str, Reducer] = {}
        self._bases: dict[str, bytes] = {}
        self._mail_status = ""

    def recover(self) -> int:
        """Settle what a crash left: call once at start. Returns the number of unknown messages."""
        return self._ledger.recover(self._clock.now())

    async def look_at_mail_server(self) -> None:
        """Note whether the mail server answers, for /health."""
        reason = await self._sender.check()
        self._control.set(
            MAIL_STATUS, json.dumps({"reachable": reason is None, "reason": reason or ""})
        )

    async def close(self) -> None:
        """Close connections politely."""
        await self._sender.close()

    async def step(self) -> int:
        """Take over intents, deliver one round, report outcomes; return how much was done."""
        done = self._take_over()
        if self._control.get(SENDING_STOPPED) != "1":
            done += await self._round()
        return done + await self._report()

    # -- intents ---------------------------------------------------------------------------------

    def _take_over(self) -> int:
        done = 0
        now = self._clock.now()
        for index, state in enumerate(self._states):
            rows = state.outbox(self._ledger.cursor(index), ROUND_MAX * 5)
            if rows:
                messages = [_intent(index, row, now) for row in rows]
                self._ledger.take_over(index, messages, rows[-1].seq)
                done += len(rows)
        return done

    # -- one round -------------------------------------------------------------------------------

    async def _round(self) -> int:
        """Deliver what is due, a few at a time: while some travel, the next are written.

        Only as many messages are `handing_over` as there are connections, so a crash leaves no
        more unknown.
        """
        version = self._live_version()
        messages = self._ledger.waiting(self._clock.now(), ROUND_MAX)
        if not messages or version is None:
            return 0
        reducer = self._reducer(version)
        addressed: set[str] = set()
        travelling: list[tuple[_Ready, asyncio.Task[HandOverResult]]] = []
        for start in range(0, len(messages), HANDING_OVER_MAX):
            written: list[_Ready] = []
            settled: list[Message] = []
            for message in messages[start : start + HANDING_OVER_MAX]:
                made = self._prepare(message, reducer, addressed)
                if made is None:
                    settled.append(message)
                else:
                    written.append(made)
                await asyncio.sleep(0)
            await self._arrive(travelling)
            travelling = self._leave(written, settled)
        await self._arrive(travelling)
        return len(messages)

    def _leave(
        self, written: list[_Ready], settled: list[Message]
    ) -> list[tuple[_Ready, asyncio.Task[HandOverResult]]]:
        """Mark messages as being handed over, durably, and begin; suppression is read last."""
        now = self._clock.now()
        leaving: list[_Ready] = []
        for one in written:
            reason = self._suppression.reason(address_hash(one.address), one.message.topic)
            if reason is None:
                leaving.append(one)
            else:
                reason = f"the address is suppressed: {reason}"
                _settle(one.message, standing.SUPPRESSED, reason, now)
                settled.append(one.message)
        self._ledger.update([*settled, *(one.message for one in leaving)])
        return [
            (one, asyncio.create_task(self._sender.hand_over(one.sender, one.address, one.data)))
            for one in leaving
        ]

    async def _arrive(
        self, travelling: Sequence[tuple[_Ready, asyncio.Task[HandOverResult]]]
    ) -> None:
        """Wait for the answers and note them in one commit."""
        if not travelling:
            return
        results = await asyncio.gather(*(task for _, task in travelling))
        now = self._clock.now()
        for (one, _), result in zip(travelling, results, strict=True):
            self._note(one.message, result, now)
        self._ledger.update([one.message for one, _ in travelling])
        self._tell_mail_status(results)

    def _prepare(self, message: Message, reducer: Reducer, addressed: set[str]) -> _Ready | None:
        """Decide and render one message; None where it does not leave now (and says why)."""
        now = self._clock.now()
        effect = _decode_effect(message.effect)
        state = self._profile(message.profile_id)
        workspace = reducer.workspace
        if state is None:
            _settle(message, standing.FAILED, "the profile does not exist any more", now)
            return None
        message.profile_id = state.profile_id
        profile = reducer.snapshot(state, now)
        address = address_of(profile) or ""
        message.address = address.lower()
        facts = self._facts(message, effect, now)
        decision = decide(effect, profile, workspace.settings, facts, now)
        if isinstance(decision, Hold):
            message.next_attempt_at = decision.until
            message.status, message.reason = standing.HELD, decision.reason
            return None
        if isinstance(decision, Suppress):
            _settle(message, standing.SUPPRESSED, decision.reason, now)
            return None
        if isinstance(decision, Expire):
            _settle(message, standing.EXPIRED, decision.reason, now)
            return None
        if effect.kind == MARKETING and message.address in addressed:
            # Another mail to this address leaves in this round: the cap is asked again after it.
            return None
        template = workspace.templates.get(effect.template)
        if template is None:
            reason = f"the workspace has no template '{effect.template}' any more"
            _settle(message, standing.FAILED, reason, now)
            return None
        addressed.add(message.address)
        try:
            return self._assemble(message, effect, profile, state, template, workspace, decision)
        except RenderProblem as problem:
            _settle(message, standing.FAILED, f"the template fails: {problem}", now)
            return None

    def _facts(self, message: Message, effect: SendMessage, now: int) -> Facts:
        if not message.address:
            return Facts()
        return Facts(
            suppressed_because=self._suppression.reason(
                address_hash(message.address), effect.topic
            ),
            sent_at=self._ledger.marketing_sent_at(message.address, now - DAY)
            if effect.kind == MARKETING
            else (),
        )

    def _profile(self, profile_id: int) -> ProfileState | None:
        for _ in range(_REDIRECTS_MAX):
            store = self._states[partition_of(profile_id) % len(self._states)]
            found = store.profiles([profile_id])
            if not found:
                return None
            state = decode(found[profile_id])
            if not state.merged_into:
                return state
            profile_id = state.merged_into
        return None

    def _assemble(
        self,
        message: Message,
        effect: SendMessage,
        profile: dict[str, Any],
        state: ProfileState,
        template: TemplateDefinition,
        workspace: Workspace,
        decision: Deliver,
    ) -> _Ready:
        now, settings = self._clock.now(), workspace.settings
        signer = LinkSigner(settings.base_url, self._token_key, message.effect_id, state.profile_id)
        unsubscribe = signer.unsubscribe_url(decision.address, effect.topic)
        scope = scope_of(effect, profile, workspace, unsubscribe, now)
        rendered = renderer_of(template).render(scope)
        sender = template.from_address or settings.from_address or "no-reply@localhost"
        headers = [("Feedback-ID", f"{effect.journey}:{effect.step}:{effect.kind}:tailorbird")]
        if effect.kind == MARKETING:
            headers += [
                ("List-Unsubscribe", f"<{unsubscribe}>"),
                ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
            ]
        domain = sender.rpartition("@")[2]
        data = assemble(
            Envelope(
                message_id=f"{message.effect_id}@{domain}",
                date=now,
                from_name=template.from_name or settings.from_name,
                from_address=sender,
                to_address=decision.address,
                reply_to=template.reply_to,
                subject=rendered.subject,
                text=rendered.text,
                html=signer.track(rendered.html),
                headers=headers,
            )
        )
        message.subject = rendered.subject
        message.status, message.reason = standing.HANDING_OVER, ""
        message.attempts += 1
        message.record = self._record(effect, profile, state, template, rendered, data, workspace)
        return _Ready(message, decision.address, sender, data)

    def _record(
        self,
        effect: SendMessage,
        profile: dict[str, Any],
        state: ProfileState,
        template: TemplateDefinition,
        rendered: Rendered,
        data: bytes,
        workspace: Workspace,
    ) -> bytes:
        """What explains the message: profile, decision, versions, fallbacks and the sent bytes."""
        key = f"{workspace.version}/{template.name}"
        base = self._bases.get(key)
        if base is None:
            base = self._bases[key] = self._ledger.rendering(key, data[-_BASE_BYTES:])
        packer = zlib.compressobj(6, zdict=base)
        packed = packer.compress(data) + packer.flush()
        return msgspec.msgpack.encode(
            {
                "profile": profile,
                "profile_offset": state.updated_at,
                "decided_at": self._clock.now(),
                "workspace_version": workspace.version,
                "journey_version": effect.version,
                "missing": list(rendered.missing),
                "fallbacks": list(rendered.fallbacks),
                "preheader": rendered.preheader,
                "bytes": packed,
                "rendering": key,
            }
        )

    # -- outcomes --------------------------------------------------------------------------------

    def _note(self, message: Message, result: HandOverResult, now: int) -> None:
        if isinstance(result, Accepted):
            _settle(message, standing.SENT, result.answer, now)
        elif isinstance(result, Uncertain):
            _settle(message, standing.UNKNOWN, result.reason, now)
        elif isinstance(result, Refused) and result.is_permanent:
            _settle(message, standing.FAILED, result.answer, now)
        else:
            reason = result.answer if isinstance(result, Refused) else result.reason
            if message.attempts >= ATTEMPTS_MAX:
                _settle(message, standing.FAILED, f"given up after many attempts: {reason}", now)
                return
            seconds = min(RETRY_SECONDS_MIN * 2 ** (message.attempts - 1), RETRY_SECONDS_MAX)
            message.status, message.reason = standing.INTENT, reason
            message.next_attempt_at = now + seconds * MICROSECONDS

    def _tell_mail_status(self, results: Sequence[HandOverResult]) -> None:
        if not results:
            return
        unreachable = [
            one for one in results if not isinstance(one, (Accepted, Refused, Uncertain))
        ]
        is_reachable = len(unreachable) < len(results)
        reason = "" if is_reachable else str(getattr(unreachable[0], "reason", ""))
        text = json.dumps({"reachable": is_reachable, "reason": reason})
        if text != self._mail_status:
            self._mail_status = text
            self._control.set(MAIL_STATUS, text)
            _log.info("mail_server", is_reachable=is_reachable)

    async def _report(self) -> int:
        """Write outcomes to the log as events of the person; the log knows repetitions."""
        messages = self._ledger.unreported(ROUND_MAX * 2)
        if not messages:
            return 0
        answers = await self._writer.write([outcome_draft(message) for message in messages])
        known = [
            message.effect_id
            for message, answer in zip(messages, answers, strict=True)
            if answer.status != RETRY
        ]
        self._ledger.mark_reported(known)
        return len(known)

    def _reducer(self, version: str) -> Reducer:
        reducer = self._reducers.get(version)
        if reducer is None:
            self._reducers.clear()
            reducer = self._reducers[version] = Reducer(self._load_workspace(version))
        return reducer


def scope_of(
    effect: SendMessage,
    profile: dict[str, Any],
    workspace: Workspace,
    unsubscribe_url: str,
    now: int,
) -> dict[str, Any]:
    """Return what a template sees."""
    settings = workspace.settings
    trigger = dict(effect.trigger)
    trigger["timestamp"] = format_micros(trigger["timestamp"])
    segments = sorted(profile["segments"])
    return {
        "profile": {**profile, "segments": segments},
        "traits": profile["traits"],
        "context": profile["context"],
        "event": {**trigger, "properties": trigger.get("properties", {})},
        "segments": segments,
        "scores": profile["scores"],
        "links": {"unsubscribe_url": unsubscribe_url},
        "workspace": {
            "name": settings.name,
            "postal_address": settings.postal_address,
            "base_url": settings.base_url,
        },
        "now": format_micros(now),
    }


def outcome_draft(message: Message) -> EventDraft:
    """Return the event that tells the log what became of a message."""
    name = f"email_{message.status}"
    message_id = f"{message.effect_id}:{message.status}"
    event = Event(
        type="track",
        name=name,
        message_id=message_id,
        timestamp=message.finished_at,
        order=order_of(message_id),
        properties={
            "message_id": message.effect_id,
            "journey": message.journey,
            "step": message.step,
            "template": message.template,
            "kind": message.kind,
            "topic": message.topic,
            "subject": message.subject,
            "reason": message.reason if message.status != standing.SENT else "",
        },
        source="tailorbird",
    )
    return EventDraft(
        [("profile_id", str(message.profile_id))], hash64("outcome", message_id), encode(event)
    )


def unpack_bytes(record: dict[str, Any], base: bytes) -> bytes:
    """Return the sent bytes from a message's record and its template's first rendering."""
    unpacker = zlib.decompressobj(zdict=base)
    return unpacker.decompress(record["bytes"]) + unpacker.flush()


def _intent(index: int, row: OutboxRow, now: int) -> Message:
    effect = _decode_effect(row.body)
    return Message(
        effect_id=row.effect_id,
        state=index,
        profile_id=row.profile_id,
        journey=effect.journey,
        step=effect.step,
        template=effect.template,
        kind=effect.kind,
        topic=effect.topic,
        due_at=effect.due_at,
        expires_at=effect.expires_at,
        created_at=now,
        next_attempt_at=effect.due_at,
        effect=row.body,
    )


def _settle(message: Message, status: str, reason: str, now: int) -> None:
    message.status, message.reason, message.finished_at = status, reason, now
