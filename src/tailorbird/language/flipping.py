"""The smallest change of a person that would make a condition true, or false.

A change is made of moves: to wait, since some conditions come true by themselves; an event, or
several; another value of a trait. `ways` proposes them part by part. Here each proposal is lived by
a copy of the person and the whole condition asked again: what turns it is told as verified, and of
several the cheapest. Waiting costs nothing, a trait costs one, events one each.
"""

from __future__ import annotations

from dataclasses import replace

from tailorbird.language import tree
from tailorbird.language.moves import Asked, Change, then, waiting
from tailorbird.language.telling import in_words
from tailorbird.language.ways import Ways

__all__ = ["smallest_change"]

_NOTHING = Change(text="", cost=0, is_verified=True)
# How many proposals are lived, and how often what one breaks is mended by a further one.
_TRIED_MAX = 24
_MENDED_MAX = 3
_ROUNDS = 2


def smallest_change(node: tree.Node, asked: Asked, *, wanted: bool = True) -> Change | None:
    """Return the cheapest change after which a condition is as wanted.

    Where none was found that was seen to do so, what would have to be is told, not verified; None
    where there is nothing to tell.
    """
    if asked.is_so(node, wanted=wanted):
        return _NOTHING
    found = _verified(node, asked, _ROUNDS, wanted=wanted)
    if found is not None:
        return found
    ways = Ways(asked).of(node, wanted=wanted)
    in_vain = [one for one in ways if one.moves]
    words = [one for one in ways if not one.moves]
    if in_vain and not words:
        return in_words(node, asked, wanted=wanted)
    return min(words, key=lambda one: one.cost, default=None)


def _verified(node: tree.Node, asked: Asked, rounds: int, *, wanted: bool) -> Change | None:
    at = asked.flips_at(wanted=wanted)
    if at is not None:
        return replace(waiting(at), is_verified=True)
    proposed = sorted(Ways(asked).of(node, wanted=wanted), key=lambda one: one.cost)
    ways = [one for one in proposed if one.moves][:_TRIED_MAX]
    for one in ways:
        if asked.after(one.moves).is_so(node, wanted=wanted):
            return replace(one, is_verified=True)
    if rounds:
        for one in ways[:_MENDED_MAX]:
            more = _verified(node, asked.after(one.moves), rounds - 1, wanted=wanted)
            if more is not None:
                return then(one, more)
    return None
