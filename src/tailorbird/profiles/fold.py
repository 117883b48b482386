"""How one event changes what a profile says of itself: traits, context, consent.

Late events never overwrite what a later one said: each value keeps its place in the total order.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tailorbird.events.event import Event, written_traits
from tailorbird.profiles.state import Consent, ProfileState, TraitValue

MARKETING = "marketing"
GIVING = frozenset({"consent_given", "subscribed"})
WITHDRAWING = frozenset({"consent_withdrawn", "unsubscribed"})
_ANSWERING = GIVING | WITHDRAWING
_WRITING = frozenset({"identify", "group"})


def fold_event(state: ProfileState, event: Event) -> tuple[tuple[str, ...], bool]:
    """Fold traits, context and consent, in place.

    Returns:
        The names of the traits that were written, and whether the context was.
    """
    traits = _fold_traits(state, event) if event.type in _WRITING else ()
    if event.name in _ANSWERING and event.type != "identify":
        topic = event.properties.get("topic")
        _agree(state, topic if isinstance(topic, str) else MARKETING, event.name in GIVING, event)
    if event.context and (place := (event.timestamp, event.order)) > state.context_at:
        state.context = event.context
        state.context_at = place
        return traits, True
    return traits, False


def _fold_traits(state: ProfileState, event: Event) -> tuple[str, ...]:
    written = written_traits(event)
    traits = tuple(name for name, value in written.items() if _write(state, name, value, event))
    if traits and (event.unfit is not None or state.unfit):
        _mark(state, traits, event.unfit or {})
    if event.type == "identify":
        consent = event.properties.get("consent")
        if isinstance(consent, dict):
            for topic, answer in consent.items():
                if isinstance(answer, bool):
                    _agree(state, topic, answer, event)
    return traits


def _write(state: ProfileState, name: str, value: Any, event: Event) -> bool:
    known = state.traits.get(name)
    if known is not None and (known.timestamp, known.order) >= (event.timestamp, event.order):
        return False
    state.traits[name] = TraitValue(value, event.timestamp, event.order)
    return True


def _mark(state: ProfileState, names: tuple[str, ...], unfit: Mapping[str, str]) -> None:
    """Let the marks be those of the values just written."""
    for name in names:
        if name in unfit:
            state.unfit[name] = unfit[name]
        else:
            state.unfit.pop(name, None)


def _agree(state: ProfileState, topic: str, is_given: bool, event: Event) -> None:
    known = state.consents.get(topic)
    if known is None or (known.timestamp, known.order) < (event.timestamp, event.order):
        state.consents[topic] = Consent(is_given, event.timestamp, event.order)


def merge_facts(winner: ProfileState, loser: ProfileState) -> None:
    """Take over a merged profile's traits, context and consents: the latest write wins.

    Where both profiles answered for a topic and disagree, the stricter answer holds.
    """
    for name, trait in loser.traits.items():
        known = winner.traits.get(name)
        if known is None or (known.timestamp, known.order) < (trait.timestamp, trait.order):
            winner.traits[name] = trait
            _mark(winner, (name,), loser.unfit)
    if loser.context_at > winner.context_at:
        winner.context, winner.context_at = loser.context, loser.context_at
    for topic, consent in loser.consents.items():
        mine = winner.consents.get(topic)
        if mine is None or (mine.is_given and not consent.is_given):
            winner.consents[topic] = consent
