"""Whether messages that go nowhere would have left: delivery's rules for backtests and shadows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tailorbird.base.time import DAY
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
from tailorbird.journeys.effects import SendMessage
from tailorbird.profiles.state import ProfileState
from tailorbird.reducer.reading import StateReader

_EXIT_HOLDS = "the journey's exit condition holds by then"


@dataclass(slots=True, kw_only=True)
class Outflow:
    """Decides messages one after the other, and remembers to whom marketing mail would have gone.

    Args:
        reader: The definitions by which they are decided.
        suppressed_because: Why an address (by hash) is suppressed for a topic, or None.
        sent_before: Instants of marketing mail to an address since one, of before it all began.
    """

    reader: StateReader
    suppressed_because: Callable[[int, str], str | None]
    sent_before: Callable[[str, int], Sequence[int]] = lambda address, since: ()
    sent: dict[str, list[int]] = field(default_factory=dict)

    def decide(
        self, effect: SendMessage, state: ProfileState, at: int
    ) -> Deliver | Hold | Suppress | Expire:
        """Decide a message at an instant (microseconds UTC), by the person's state of then."""
        profile = {
            "traits": {name: trait.value for name, trait in state.traits.items()},
            "unfit": state.unfit,
            "consents": {topic: one.is_given for topic, one in state.consents.items()},
        }
        address = (address_of(profile) or "").lower()
        sent = self.sent.setdefault(address, [])
        is_marketing = effect.kind == MARKETING
        since = at - DAY
        facts = Facts(
            suppressed_because=self.suppressed_because(address_hash(address), effect.topic),
            sent_at=[*self.sent_before(address, since), *(one for one in sent if one > since)]
            if is_marketing
            else (),
        )
        decision = decide(effect, profile, self.reader.workspace.settings, facts, at)
        if isinstance(decision, Deliver):
            exit_asked = self.reader.exit_of(state, effect, at)
            if exit_asked is not None and exit_asked.holds:
                return Suppress(reason=_EXIT_HOLDS)
            if is_marketing:
                sent.append(at)
        return decision
