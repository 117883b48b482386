"""The auditor: keeps its own plain model of what people sent, and judges what came of it.

It knows nothing of merges, accumulators or deadlines. Who is who is what hangs together by the
identifiers sent; who is in a segment is what the language's oracle says over the plain history.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from tailorbird.adapters.memory.state_store import MemoryStateStore
from tailorbird.base.time import DAY, MICROSECONDS, format_micros
from tailorbird.events.event import EVENT, Record, decode_event
from tailorbird.journeys.effects import SendMessage
from tailorbird.language import evaluate
from tailorbird.ports import ledger as standing
from tailorbird.ports.ledger import Message
from tailorbird.services.replay import differences, replay
from tailorbird.testing.simulation import shop
from tailorbird.testing.simulation.people import Sent

if TYPE_CHECKING:
    from tailorbird.testing.simulation.world import World

CONNECTIONS = 10
_LEFT = (standing.SENT, standing.UNKNOWN)
_Identifier = tuple[str, str]


class Auditor:
    """Looks at a world that has come to its end."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._disk = world.disk
        self._records = world.disk.log.read(0, 1 << 30)
        self._messages = world.disk.ledger.messages(limit=1 << 30)
        self._stamped: dict[str, list[Record]] = {}
        for record in self._records:
            if record.kind == EVENT:
                message_id = decode_event(record).message_id
                self._stamped.setdefault(message_id, []).append(record)

    def problems(self) -> list[str]:
        """Return all that is not as promised."""
        found = [*self._world.faults, *self._of_events()]
        if found:
            return found  # what follows from these says nothing more
        return [
            *self._of_people(),
            *self._of_replay(),
            *self._of_mails(),
            *self._of_receipts(),
            *self._of_consent(),
        ]

    # -- events ----------------------------------------------------------------------------------

    def _of_events(self) -> Iterator[str]:
        sent = self._world.sent
        for one in sent.values():
            count = len(self._stamped.get(one.message_id, ()))
            if not one.is_acknowledged:
                yield f"event {one.message_id} was never acknowledged"
            if count != 1:
                yield f"event {one.message_id} lies in the log {count} times"
            elif (at := self._timestamp(one)) != one.timestamp and not (
                at < one.timestamp and self._world.clock.went_back
            ):
                yield f"event {one.message_id} of {one.timestamp} lies in the log as of {at}"
        for message_id, records in self._stamped.items():
            if message_id not in sent and decode_event(records[0]).source != "tailorbird":
                yield f"event {message_id} was sent by nobody"
        outcomes = Counter(
            decode_event(record).properties["message_id"]
            for records in self._stamped.values()
            for record in records
            if decode_event(record).source == "tailorbird"
        )
        for message in self._messages:
            if outcomes[message.effect_id] != 1:
                count = outcomes[message.effect_id]
                yield f"the outcome of {message.effect_id} lies in the log {count} times"

    # -- people and segments ---------------------------------------------------------------------

    def _of_people(self) -> Iterator[str]:
        world, disk, now = self._world, self._disk, self._world.clock.now()
        conditions = shop.CONDITIONS[world.wanted_version]
        members = {
            name: {one for state in disk.states for one, _ in state.members(name, -1, 1 << 30)}
            for name in conditions
        }
        expected: dict[str, set[int]] = {name: set() for name in conditions}
        known: set[int] = set()
        for identifiers, events in _people(world.sent.values()):
            found = {disk.identity.find(*one) for one in identifiers}
            if len(found) != 1 or None in found:
                yield f"{sorted(identifiers)} are {len(found)} people"
                continue
            profile_id = next(one for one in found if one is not None)
            known.add(profile_id)
            history = [self._plain(one) for one in events]
            for name, text in conditions.items():
                if evaluate(text, history, now) is True:
                    expected[name].add(profile_id)
        for name in conditions:
            if members[name] != expected[name]:
                wrong = sorted(members[name] ^ expected[name])
                yield f"segment {name} is wrong about {wrong}"
        count = sum(state.count() for state in disk.states)
        if count != len(known):
            yield f"there are {count} profiles of {len(known)} people"
        live = {version for state in disk.states for version in state.versions().values()}
        if live != {disk.control.get("live_version")}:
            yield f"engines live by {live}"

    def _plain(self, one: Sent) -> dict[str, Any]:
        """Return an event as the oracle takes it."""
        return {**one.message, "timestamp": format_micros(self._timestamp(one))}

    def _timestamp(self, one: Sent) -> int:
        """Return when it happened: where clocks went back, not later than it was taken."""
        return decode_event(self._stamped[one.message_id][0]).timestamp

    def _of_replay(self) -> Iterator[str]:
        rng = random.Random(f"{self._world.seed}/replay")
        fresh = [MemoryStateStore() for _ in range(rng.choice((1, 2, 3)))]
        replay(
            self._disk.log,
            fresh,
            lambda version: shop.load(self._disk.control, version),
            batch=rng.choice((1_000, 37)),
        )
        for one in differences(self._disk.states, fresh):
            yield f"replay: {one.what} {one.name}: {one.says}"
        due = {row.effect_id for state in fresh for row in state.outbox(0, 1 << 30)}
        kept = {one.effect_id for one in self._messages}
        for effect_id in sorted(due - kept):
            yield f"effect {effect_id} was lost"
        for effect_id in sorted(kept - due):
            yield f"effect {effect_id} comes from nowhere"

    # -- mail ------------------------------------------------------------------------------------

    def _of_mails(self) -> Iterator[str]:
        mail = self._world.mail
        taken = Counter(one.effect_id for one in mail.mails)
        unknown = 0
        for message in self._messages:
            count = taken.pop(message.effect_id, 0)
            match message.status:
                case standing.SENT:
                    is_so = count == 1
                case standing.UNKNOWN:
                    unknown += 1
                    is_so = count <= 1
                case standing.FAILED:
                    is_so = count == 0 and message.effect_id in mail.refused
                case standing.EXPIRED:
                    is_so = count == 0 and message.finished_at > message.expires_at
                case standing.SUPPRESSED:
                    is_so = count == 0
                case _:
                    is_so = False
            if not is_so:
                yield (
                    f"{message.effect_id} is {message.status} ({message.reason})"
                    f" and came {count} times"
                )
        for effect_id in taken:
            yield f"mail {effect_id} is not in the ledger"
        most = self._world.crashes["deliver"] * CONNECTIONS + mail.cuts_after_dot
        if unknown > most:
            yield f"{unknown} are unknown, at most {most} may be"

    def _of_receipts(self) -> Iterator[str]:
        """Each order of somebody with an address has its one receipt, told without the reducer."""
        by_trigger: dict[str, list[Message]] = {}
        for message in self._messages:
            if message.journey == shop.RECEIPT:
                trigger = msgspec.msgpack.decode(message.effect, type=SendMessage).trigger
                by_trigger.setdefault(trigger["message_id"], []).append(message)
        addressed: dict[int, int] = {}
        for record in self._records:
            if record.kind == EVENT:
                sent = self._world.sent.get(decode_event(record).message_id)
                if sent is not None and "email" in sent.message.get("traits", {}):
                    addressed.setdefault(record.profile_id, record.offset)
        for sent in self._world.sent.values():
            if sent.message.get("event") != "Order Completed":
                continue
            record = self._stamped[sent.message_id][0]
            age = record.now - self._timestamp(sent)
            receipts = by_trigger.get(sent.message_id, [])
            if abs(age - DAY) < 60 * MICROSECONDS:
                continue  # what waited for a merge is some seconds older when it is reduced
            if len(receipts) != (age < DAY):
                yield f"order {sent.message_id} has {len(receipts)} receipts"
            for one in receipts:
                had_address = addressed.get(record.profile_id, record.offset) < record.offset
                if had_address and one.status in (standing.SUPPRESSED, standing.EXPIRED):
                    yield f"the receipt of {sent.message_id} is {one.status}: {one.reason}"

    def _of_consent(self) -> Iterator[str]:
        kinds = {one.effect_id: one for one in self._messages}
        people = {one.address: one for one in self._world.people}
        for mail in self._world.mail.mails:
            message = kinds.get(mail.effect_id)
            if message is None or message.kind != "marketing":
                continue
            if people[mail.recipient].consenting.is_out(mail.begun_at):
                yield f"mail {mail.effect_id} left for {mail.recipient} after the unsubscription"
        for address in people:
            left = sorted(
                one.finished_at
                for one in self._messages
                if one.address == address and one.kind == "marketing" and one.status in _LEFT
            )
            for first, last in zip(left, left[shop.MARKETING_PER_DAY :], strict=False):
                if last - first < DAY:
                    yield f"{address} had too many marketing mails within a day"


def _people(sent: Any) -> list[tuple[set[_Identifier], list[Sent]]]:
    """Return who hangs together by what was sent: identifiers, and the events that name them."""
    groups: list[tuple[set[_Identifier], list[Sent]]] = []
    for one in sent:
        identifiers, events = _identifiers(one), [one]
        rest = []
        for group in groups:
            if group[0] & identifiers:
                identifiers |= group[0]
                events += group[1]
            else:
                rest.append(group)
        groups = [*rest, (identifiers, events)]
    return groups


def _identifiers(sent: Sent) -> set[_Identifier]:
    message = sent.message
    found = {
        (kind, message[name])
        for kind, name in (("user_id", "userId"), ("anonymous_id", "anonymousId"))
        if name in message
    }
    if "previousId" in message:
        found.add(("anonymous_id", message["previousId"]))
    if "email" in message.get("traits", {}):
        found.add(("email", message["traits"]["email"]))
    return found
