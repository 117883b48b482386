"""Delivery: from the outbox to the mail server, each step noted in the ledger before the next.

A message is decided and rendered from the profile as it is now, handed over after the ledger says
`handing_over`, and its outcome goes back to the log as an event. Consent and suppression are read
last. Everything before the hand-over may be repeated; only what a crash catches between the final
dot and the answer is `unknown`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog

from tailorbird.base.problems import TailorbirdError
from tailorbird.base.time import DAY, MICROSECONDS
from tailorbird.content.render import RenderProblem
from tailorbird.delivery.assemble import encode_parts
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
from tailorbird.delivery.suppression import address_hash
from tailorbird.events.event import partition_of
from tailorbird.journeys.effects import SendMessage
from tailorbird.ports import ledger as standing
from tailorbird.ports.clock import Clock
from tailorbird.ports.control_store import (
    HOLD_UNTIL,
    MAIL_STATUS,
    SENDING_STOPPED,
    ControlStore,
)
from tailorbird.ports.ledger import Ledger, Message
from tailorbird.ports.log_writer import RETRY, LogWriter
from tailorbird.ports.mail_sender import (
    HandOverResult,
    MailSender,
    Uncertain,
    Unreachable,
)
from tailorbird.ports.state_store import StateStore
from tailorbird.ports.suppression_store import SuppressionStore
from tailorbird.profiles.state import decode
from tailorbird.reducer.reducer import Reducer
from tailorbird.services.compose import compose
from tailorbird.services.erase import erase_in_ledger
from tailorbird.services.intents import intent_of
from tailorbird.services.made_up import made_up_base
from tailorbird.services.message_record import (
    ReadProfile,
    considered,
    encode_record,
    pack_parts,
)
from tailorbird.services.outcomes import RESENDS_MAX, note, outcome_draft, settle
from tailorbird.workspace.definitions import TemplateDefinition, Workspace, WorkspaceSettings

ROUND_MAX = 200
HANDING_OVER_MAX = 10  # as many as the sender has connections
# How often a server that cannot be reached is asked again.
PROBE_SECONDS_MIN = 5
PROBE_SECONDS_MAX = 300
_REDIRECTS_MAX = 20
# A profile that has not come as far as its effect, after a fall-back, is read again then.
_STALE_SECONDS = 1
# How long a message waits for a merge that is under way. Longer means that something is wrong:
# what is known of the person may then send it, but not refuse it before it expires.
_MERGE_SECONDS_MAX = 3_600
_MERGING = "a merge of this person is under way"

_log = structlog.get_logger("deliver")
_decode_effect = msgspec.msgpack.Decoder(SendMessage).decode


@dataclass(slots=True)
class _Ready:
    """A message that may leave, with its bytes."""

    message: Message
    sender: str
    address: str  # as the person wrote it; the message has it in lower case, for the cap
    data: bytes


@dataclass(frozen=True, slots=True)
class _Arrived:
    """Messages with their answers; `away` says why, if the server was there for none of them."""

    messages: list[Message]
    away: str


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
        # Why the mail server is thought to be away; empty while it answers.
        self._away = ""
        self._probe_at = 0
        self._probes = 0
        self._resends_max = 0
        self._incomplete = 0
        # How far each engine has come: read before profiles, so none is older than it says.
        self._offsets: list[int] = []
        self._travelling: list[tuple[Message, asyncio.Task[HandOverResult]]] = []

    def recover(self) -> int:
        """Settle what a crash left: call once at start. Returns the number of unknown messages."""
        version = self._live_version()
        resends_max = 0
        if version is not None:
            resends_max = _resends_max(self._load_workspace(version).settings)
        return self._ledger.recover(self._clock.now(), resends_max)

    async def look_at_mail_server(self) -> None:
        """Ask whether the mail server answers, for /health; without it the queue waits."""
        reason = await self._sender.check()
        if reason is None:
            self._tell_mail_status("")
        else:
            self._hold_queue(reason, self._clock.now())

    async def close(self) -> None:
        """Close connections politely."""
        await self._sender.close()

    async def step(self) -> int:
        """Take over intents, deliver one round, report outcomes; return how much was done."""
        done = self._take_over()
        done += erase_in_ledger(self._control, self._ledger, self._states, self._clock.now())
        if not self._is_stopped():
            done += await self._round()
        return done + await self._report()

    # -- intents ---------------------------------------------------------------------------------

    def _take_over(self) -> int:
        done = 0
        now = self._clock.now()
        for index, state in enumerate(self._states):
            rows = state.outbox(self._ledger.cursor(index), ROUND_MAX * 5)
            if rows:
                hold_until = int(self._control.get(HOLD_UNTIL) or 0)
                messages = [intent_of(index, row, now, hold_until) for row in rows]
                self._ledger.take_over(index, messages, rows[-1].seq)
                done += len(rows)
        return done

    # -- one round -------------------------------------------------------------------------------

    async def _round(self) -> int:
        """Deliver what is due, a few at a time: while some travel, the next are written.

        Only as many messages are `handing_over` as there are connections, so a crash leaves no
        more unknown.
        """
        await self._arrive()
        if self._away and not await self._is_back():
            return 0
        version = self._live_version()
        messages = self._ledger.waiting(self._clock.now(), ROUND_MAX)
        if not messages or version is None:
            return 0
        reducer = self._reducer(version)
        self._resends_max = _resends_max(reducer.workspace.settings)
        addressed: set[str] = set()
        self._incomplete = 0
        for start in range(0, len(messages), HANDING_OVER_MAX):
            if self._away or self._is_stopped():
                break
            written: list[_Ready] = []
            settled: list[Message] = []
            self._offsets = [state.offset() for state in self._states]
            for message in messages[start : start + HANDING_OVER_MAX]:
                made = self._prepare(message, reducer, addressed)
                if made is None:
                    settled.append(message)
                else:
                    written.append(made)
                await asyncio.sleep(0)
            arrived = await self._answers()
            # What the server or the switch stopped meanwhile is not marked; it is written again.
            is_stopped = bool(arrived.away) or self._is_stopped()
            self._leave(arrived, [] if is_stopped else written, settled)
        await self._arrive()
        # What waits for a merge alone is no reason to look again at once.
        return len(messages) - self._incomplete

    def _is_stopped(self) -> bool:
        return self._control.get(SENDING_STOPPED) == "1"

    async def _is_back(self) -> bool:
        """While the mail server is away the whole queue waits, and one probe at a time asks."""
        now = self._clock.now()
        if now < self._probe_at:
            if self._ledger.waiting(now, 1):
                self._ledger.postpone(now, self._probe_at, self._away)
            return False
        reason = await self._sender.check()
        if reason is not None:
            self._hold_queue(reason, now)
            return False
        self._away, self._probes = "", 0
        self._tell_mail_status("")
        return True

    def _hold_queue(self, reason: str, now: int) -> None:
        seconds = min(PROBE_SECONDS_MIN * 2**self._probes, PROBE_SECONDS_MAX)
        self._probes = min(self._probes + 1, 20)
        self._away = f"the mail server cannot be reached: {reason}"
        self._probe_at = now + seconds * MICROSECONDS
        self._ledger.postpone(now, self._probe_at, self._away)
        self._tell_mail_status(reason)

    def _leave(self, arrived: _Arrived, written: list[_Ready], settled: list[Message]) -> None:
        """Note answers and mark messages as being handed over in one durable commit, and begin.

        Suppression is read last. Answers are forgotten only after the commit, so one that fails
        is repeated by the next round.
        """
        now = self._clock.now()
        leaving: list[_Ready] = []
        for one in written:
            message = one.message
            reason = self._suppression.reason(address_hash(message.address), message.topic)
            if reason is None:
                leaving.append(one)
            else:
                settle(message, standing.SUPPRESSED, f"the address is suppressed: {reason}", now)
                settled.append(message)
        self._ledger.update([*arrived.messages, *settled, *(one.message for one in leaving)])
        self._travelling.clear()
        if arrived.away:
            self._hold_queue(arrived.away, now)
        elif arrived.messages:
            self._tell_mail_status("")
        for one in leaving:
            task = asyncio.create_task(self._sender.hand_over(one.sender, one.address, one.data))
            self._travelling.append((one.message, task))

    async def _arrive(self) -> None:
        """Wait for the answers and note them."""
        if self._travelling:
            self._leave(await self._answers(), [], [])

    async def _answers(self) -> _Arrived:
        """Wait for the answers to what travels."""
        answers = await asyncio.gather(
            *(task for _, task in self._travelling), return_exceptions=True
        )
        now = self._clock.now()
        unreachable: list[Unreachable] = []
        for (message, _), answer in zip(self._travelling, answers, strict=True):
            if isinstance(answer, BaseException):
                _log.error("hand_over_failed", message=message.effect_id, error=repr(answer)[:200])
                answer = Uncertain(reason=f"a fault in handing it over: {type(answer).__name__}")
            elif isinstance(answer, Unreachable):
                unreachable.append(answer)
            note(message, answer, now, self._resends_max)
        is_away = unreachable and len(unreachable) == len(self._travelling)
        return _Arrived(
            [message for message, _ in self._travelling],
            unreachable[0].reason if is_away else "",
        )

    def _prepare(self, message: Message, reducer: Reducer, addressed: set[str]) -> _Ready | None:
        """Decide and write one message; None where it does not leave now (and says why)."""
        now = self._clock.now()
        effect = _decode_effect(message.effect)
        if now <= effect.expires_at and not self._has_reached(message):
            message.status = standing.INTENT
            message.next_attempt_at = now + _STALE_SECONDS * MICROSECONDS
            message.reason = "the engine has not come as far again as when this was decided"
            return None
        # From the one who began the run, not from whom they were merged into when this was tried
        # before: that one's engine may have fallen back behind the merge.
        read, is_whole = self._profile(effect.profile_id)
        waits_until = message.created_at + _MERGE_SECONDS_MAX * MICROSECONDS
        if not is_whole and (now < waits_until or (read is None and now <= effect.expires_at)):
            # Due still, but behind all others: a simulated clock may stand until it is sent.
            message.status, message.next_attempt_at = standing.INTENT, now
            message.reason = _MERGING
            self._incomplete += 1
            return None
        workspace = reducer.workspace
        if read is None:
            missing = "the profile does not exist any more" if is_whole else _MERGING
            if now <= effect.expires_at:
                settle(message, standing.FAILED, missing, now)
            else:
                # Whether it will be there again is not asked: the engine may have fallen back.
                settle(message, standing.EXPIRED, f"it was due too long ago, and {missing}", now)
            return None
        message.profile_id = read.state.profile_id
        profile = reducer.snapshot(read.state, now)
        message.address = (address_of(profile) or "").lower()
        facts = self._facts(message, effect, now)
        decision = decide(effect, profile, workspace.settings, facts, now)
        asked = reducer.exit_of(read.state, effect, now)
        if asked is not None and asked.holds and isinstance(decision, (Deliver, Hold)):
            decision = Suppress(f"the journey's exit condition holds by now: {asked.text}")
        if isinstance(decision, Suppress) and not is_whole:
            decision = Hold(now + _STALE_SECONDS * MICROSECONDS, _MERGING)
        record = considered(read, profile, facts, asked, workspace, effect, now)
        if isinstance(decision, Deliver):
            if effect.kind == MARKETING and message.address in addressed:
                # Another mail to this address leaves in this round: the cap is asked again then.
                return None
            addressed.add(message.address)
            template = workspace.templates.get(effect.template)
            if template is not None:
                try:
                    return self._write(
                        message, effect, profile, template, reducer, record, decision.address, now
                    )
                except RenderProblem as problem:
                    settle(message, standing.FAILED, f"the template fails: {problem}", now)
            else:
                reason = f"the workspace has no template '{effect.template}' any more"
                settle(message, standing.FAILED, reason, now)
        elif isinstance(decision, Hold):
            message.next_attempt_at = decision.until
            message.status, message.reason = standing.HELD, decision.reason
        elif isinstance(decision, Suppress):
            settle(message, standing.SUPPRESSED, decision.reason, now)
        elif isinstance(decision, Expire):
            settle(message, standing.EXPIRED, decision.reason, now)
        message.record = encode_record(record, message.effect)
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

    def _has_reached(self, message: Message) -> bool:
        """Say whether the engine that wanted a message still stands behind that instant."""
        if message.state >= len(self._states):
            return True
        return self._offsets[message.state] >= message.required_offset

    def _base(self, key: str, template: TemplateDefinition, reducer: Reducer) -> bytes:
        base = self._bases.get(key)
        if base is None:
            made = self._ledger.rendering(key) or made_up_base(template, reducer)
            base = self._bases[key] = self._ledger.rendering(key, made)
        return base

    def _profile(self, profile_id: int) -> tuple[ReadProfile | None, bool]:
        """Return who a profile is by now, and whether all that is known of the person is in it.

        Between the records of a merge a winner lacks what the loser knew, an address or a
        withdrawn consent; and its engine may not have come to the merge yet.
        """
        merged_at = 0
        for _ in range(_REDIRECTS_MAX):
            index = partition_of(profile_id) % len(self._states)
            found = self._states[index].profiles([profile_id])
            if not found:
                return None, not merged_at
            state = decode(found[profile_id])
            if not state.merged_into:
                read = ReadProfile(data=found[profile_id], offset=self._offsets[index], state=state)
                is_awaiting = state.expected or state.waiting_for or state.parked
                return read, not is_awaiting and state.updated_at >= merged_at
            if state.updated_at < merged_at:
                return None, False
            profile_id, merged_at = state.merged_into, state.updated_at
        return None, True

    def _write(
        self,
        message: Message,
        effect: SendMessage,
        profile: dict[str, Any],
        template: TemplateDefinition,
        reducer: Reducer,
        record: dict[str, Any],
        address: str,
        now: int,
    ) -> _Ready:
        workspace = reducer.workspace
        key = f"made-up/{workspace.version}/{template.name}"
        try:
            made = compose(
                effect,
                profile,
                message.profile_id,
                workspace,
                template,
                address,
                self._token_key,
                now,
            )
            base = self._base(key, template, reducer)
        except TailorbirdError:
            raise
        except Exception as fault:
            # A fault of ours in one message must not stop all others, again and again.
            name = type(fault).__name__
            _log.error("message_failed", message=message.effect_id, error=name, exc_info=True)
            raise RenderProblem(f"a fault in writing it: {name}") from fault
        message.subject = made.rendered.subject
        message.status, message.reason = standing.HANDING_OVER, ""
        message.attempts += 1
        message.record = encode_record(
            {
                **record,
                "address": address,
                "missing": list(made.rendered.missing),
                "fallbacks": list(made.rendered.fallbacks),
                "preheader": made.rendered.preheader,
                "bytes": pack_parts(made.parts, base),
                "rendering": key,
            },
            message.effect,
        )
        return _Ready(message, made.sender, address, encode_parts(made.parts))

    # -- outcomes --------------------------------------------------------------------------------

    def _tell_mail_status(self, reason: str) -> None:
        """Note for /health whether the mail server answers; an empty reason means that it does."""
        text = json.dumps({"reachable": not reason, "reason": reason})
        if text != self._mail_status:
            self._mail_status = text
            self._control.set(MAIL_STATUS, text)
            _log.info("mail_server", is_reachable=not reason)

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
            self._bases.clear()
            reducer = self._reducers[version] = Reducer(self._load_workspace(version))
        return reducer


def _resends_max(settings: WorkspaceSettings) -> int:
    return RESENDS_MAX if settings.unknown == "resend" else 0
