"""Who is who: the rules by which identifiers of an event lead to a profile. Pure.

1. A known user id decides. Else the strongest known identifier does, unless it belongs to another
   known user; else a new profile begins.
2. A profile without a user id that shares an identifier with the event's profile is the same
   person: the two merge. The winner has a user id, else is older, else has the smaller id.
3. Two known users never merge by sharing a device or an address: an anonymous id goes over to the
   user who used it last, an e-mail address or phone number stays with the first.
   External ids and two addresses of one person are no reason either: a user id alone decides.
4. `alias` says that two are one person: they merge even where both are known users.
   A merge that was undone does not come back by sharing; only `alias` makes it again.
5. A person has a limited number of values of each kind. One more is not linked and a merge that
   would bring more does not happen; the event goes to the strongest identifier's profile all the
   same. What is there stays: a limit never tears a link. A merge by alias is not limited.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from tailorbird.events.event import profile_id_of
from tailorbird.events.identifiers import DEFAULT_RULES, Identifier, IdentityRules, kind_of

USER = "user_id"
# Points at a profile directly; used by our own events, never linked.
PROFILE = "profile_id"
_SHARED = frozenset({"anonymous_id", "device"})


class Known(Protocol):
    """What the rules ask of the identity store."""

    def find(self, kind: str, value: str) -> int | None: ...
    def has_user(self, profile_id: int) -> bool: ...
    def known_since(self, profile_id: int) -> int | None: ...
    def are_apart(self, left: int, right: int) -> bool: ...
    def identifiers(self, profile_id: int) -> list[Identifier]: ...


@dataclass(slots=True)
class Resolution:
    """The profile of an event, identifiers to link to it, and (loser, winner) pairs to merge."""

    profile_id: int
    links: list[Identifier] = field(default_factory=list)
    merges: list[tuple[int, int]] = field(default_factory=list)

    def survivor(self, profile_id: int) -> int:
        """Return the profile that a profile has become by these merges."""
        for loser_id, winner_id in self.merges:
            if profile_id == loser_id:
                profile_id = winner_id
        return profile_id


def resolve(
    identifiers: Sequence[Identifier],
    previous: Sequence[Identifier],
    known: Known,
    rules: IdentityRules = DEFAULT_RULES,
) -> Resolution:
    """Resolve the identifiers of one event, strongest first; `previous` are an alias call's."""
    found = [known.find(kind, value) for kind, value in identifiers]
    if not previous and found[0] is not None and found.count(found[0]) == len(found):
        return Resolution(found[0])  # somebody known, by all of these: nearly every event
    user = next((value for kind, value in identifiers if kind == USER), None)
    target = _target(identifiers, found, user, known)
    elders = [known.find(kind, value) for kind, value in previous]
    if target is None:
        target = next((one for one in elders if one is not None), None)
    if target is None:
        target = _new_profile(identifiers[0], known)
    out = Resolution(target)
    counts = _Counts(known, rules)
    for identifier, one in zip(identifiers, found, strict=True):
        if one is None:
            if counts.take(out.profile_id, identifier):
                out.links.append(identifier)
            continue
        other = out.survivor(one)
        if other == out.profile_id or known.are_apart(out.profile_id, other):
            continue
        if not known.has_user(other) or (user is None and not known.has_user(out.profile_id)):
            if counts.join(out.profile_id, other):
                _merge(out, other, known, user)
                counts.rename(out.merges[-1])
        elif identifier[0] in _SHARED and counts.take(out.profile_id, identifier):
            out.links.append(identifier)
    for identifier, one in zip(previous, elders, strict=True):
        if one is None:
            # What is known already is who was meant: the other kinds of that value stay free.
            if not any(elder is not None for elder in elders):
                out.links.append(identifier)
        elif (other := out.survivor(one)) != out.profile_id:
            _merge(out, other, known, user)
    return out


class _Counts:
    """The identifiers of the profiles of one event, counted when somebody gets one more."""

    def __init__(self, known: Known, rules: IdentityRules) -> None:
        self._known = known
        self._rules = rules
        self._of: dict[int, set[Identifier]] = {}

    def take(self, profile_id: int, identifier: Identifier) -> bool:
        """Count one more for a profile; say whether the limit allows it."""
        mine = self._identifiers(profile_id)
        # A new user id comes here for a profile without one, or by alias: never one too many.
        if identifier[0] != USER and self._count(mine, identifier[0]) >= self._rules.limit(
            identifier[0]
        ):
            return False
        mine.add(identifier)
        return True

    def join(self, left: int, right: int) -> bool:
        """Say whether two profiles may become one; a kind already over its limit does not grow."""
        mine, others = self._identifiers(left), self._identifiers(right)
        return all(
            self._count(mine | others, kind)
            <= max(self._rules.limit(kind), self._count(mine, kind), self._count(others, kind))
            for kind in {kind for kind, _ in mine | others}
        )

    def rename(self, merge: tuple[int, int]) -> None:
        """Note a merge (loser, winner)."""
        loser_id, winner_id = merge
        self._of[winner_id] = self._identifiers(winner_id) | self._identifiers(loser_id)

    def _count(self, identifiers: set[Identifier], kind: str) -> int:
        name = kind_of(kind)
        return sum(kind_of(one) == name for one, _ in identifiers)

    def _identifiers(self, profile_id: int) -> set[Identifier]:
        found = self._of.get(profile_id)
        if found is None:
            found = self._of[profile_id] = set(
                self._known.identifiers(profile_id)
                if self._known.known_since(profile_id) is not None
                else ()
            )
        return found


def winner_of(left: int, right: int, known: Known, *, left_has_user: bool = False) -> int:
    """Return the profile that goes on: with a user id, else the older, else the smaller id."""
    return min(
        left,
        right,
        key=lambda one: (
            not ((left_has_user and one == left) or known.has_user(one)),
            _age(one, known),
            one,
        ),
    )


def _target(
    identifiers: Sequence[Identifier],
    found: Sequence[int | None],
    user: str | None,
    known: Known,
) -> int | None:
    for (kind, _), profile_id in zip(identifiers, found, strict=True):
        if profile_id is None:
            continue
        # A new user takes over an anonymous profile, not that of another user.
        if user is None or kind == USER or not known.has_user(profile_id):
            return profile_id
    return None


def _merge(out: Resolution, other: int, known: Known, user: str | None) -> None:
    winner = winner_of(out.profile_id, other, known, left_has_user=user is not None)
    loser = other if winner == out.profile_id else out.profile_id
    out.merges.append((loser, winner))
    out.profile_id = winner


def _age(profile_id: int, known: Known) -> int:
    since = known.known_since(profile_id)
    return since if since is not None else 1 << 62


def _new_profile(identifier: Identifier, known: Known) -> int:
    kind, value = identifier
    profile_id = profile_id_of(kind, value)
    salt = 0
    # An id is taken where its first identifier went over to somebody else.
    while known.known_since(profile_id) is not None:
        salt += 1
        profile_id = profile_id_of(kind, f"{value}#{salt}")
    return profile_id
