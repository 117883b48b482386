"""What changes all the time while nothing happens, and when a comparison with it can be kept live.

Gliding terms are `since`, an age, a decaying score and `now`. A comparison may hold one of them,
linear, against a constant: then the instant at which it flips is known exactly.
"""

from __future__ import annotations

from collections.abc import Sequence

from tailorbird.language import grammar, tree, walk
from tailorbird.language.needs import PointsScore
from tailorbird.language.scope import Scope

_MEND = (
    "Compare each of them with a constant of its own and join the comparisons by `and`, for"
    " example: since(cart_added) > 1d and since(order_completed) > 30d"
)

_NOT_CONSTANT = (
    "a value that changes all the time can only be compared with a constant",
    "Write a number or duration on the other side, for example since(order_completed) > 30d.",
)
_NOT_LINEAR = (
    "a value that changes all the time may only be added to, or multiplied with, constants",
    "Bring the rest to the other side as a constant, or put it into a comparison of its own.",
)


def fault_of(sides: Sequence[tree.Node], scope: Scope) -> tuple[str, str] | None:
    """Return message and mend where the sides of a comparison cannot be kept live, else None."""
    terms = [term for side in sides for term in terms_of(side, scope)]
    if not terms:
        return None
    if len(terms) > 1 and not _fade_alike(terms, scope):
        return f"the comparison holds {len(terms)} values that change all the time", _MEND
    for side in sides:
        if not terms_of(side, scope):
            if not is_constant(side):
                return _NOT_CONSTANT
        elif not _is_linear(side, scope):
            return _NOT_LINEAR
    return None


def terms_of(root: tree.Node, scope: Scope) -> list[tree.Node]:
    """Return the gliding terms of a value."""
    found: list[tree.Node] = []
    stack = [root]
    while stack:
        node = stack.pop()
        if _glides(node, scope):
            found.append(node)
        elif not _hides_motion(node):
            stack.extend(walk.children(node))
    return found


def is_gliding(node: tree.Node, scope: Scope) -> bool:
    """Say whether a value as a whole changes all the time; a condition never does."""
    if isinstance(node, (tree.Arithmetic, tree.Negate, tree.Call, tree.Named, tree.Aggregate)):
        return bool(terms_of(node, scope))
    return False


def is_constant(node: tree.Node) -> bool:
    """Say whether a value stays the same for good; the triggering event does."""
    for one in walk.nodes(node):
        if isinstance(one, tree.Path):
            if one.root != "event":
                return False
        elif not isinstance(
            one,
            (
                tree.Number,
                tree.Text,
                tree.Boolean,
                tree.DurationValue,
                tree.Instant,
                tree.Arithmetic,
                tree.Negate,
            ),
        ):
            return False
    return True


def is_now(node: tree.Node) -> bool:
    """Say whether a node is the call `now`."""
    return isinstance(node, tree.Call) and node.name == "now"


def counts_months(node: tree.Node) -> bool:
    """Say whether a value is time since an instant, to which calendar months can be added."""
    if isinstance(node, tree.Call):
        return node.name == "age"
    return isinstance(node, tree.Aggregate) and node.kind == "since"


def _glides(node: tree.Node, scope: Scope) -> bool:
    if counts_months(node) or is_now(node):
        return True
    if isinstance(node, tree.Named) and node.kind == "interest" and node.of:
        interest = (scope.interests or {}).get(node.name)
        return interest is not None and interest.half_life is not None
    if not isinstance(node, tree.Named) or node.kind != "score":
        return False
    return _score_glides(node.name, scope, ())


def _score_glides(name: str, scope: Scope, asking: tuple[str, ...]) -> bool:
    score = (scope.scores or {}).get(name)
    if isinstance(score, PointsScore):
        return score.glides
    if not isinstance(score, tree.Node) or name in asking:
        return False
    return any(
        counts_months(node)
        or is_now(node)
        or (
            isinstance(node, tree.Named)
            and node.kind == "score"
            and _score_glides(node.name, scope, (*asking, name))
        )
        for node in walk.nodes(score)
    )


def _hides_motion(node: tree.Node) -> bool:
    # Local calendar parts step; conditions inside are compared by themselves.
    if isinstance(node, tree.Call):
        return node.name in grammar.CALENDAR
    return isinstance(
        node,
        (tree.Compare, tree.Between, tree.In, tree.Match, tree.IsNull, tree.And, tree.Or, tree.Not),
    )


def _fade_alike(terms: list[tree.Node], scope: Scope) -> bool:
    """Scores that fade with one half-life, or all evenly, add up to such a score."""
    ways = set()
    for term in terms:
        score = (scope.scores or {}).get(term.name) if isinstance(term, tree.Named) else None
        if not isinstance(score, PointsScore) or not score.glides:
            return False
        ways.add(score.half_life)
    return len(ways) == 1


def _is_linear(node: tree.Node, scope: Scope) -> bool:
    if _glides(node, scope) or is_constant(node):
        return True
    if isinstance(node, tree.Negate):
        return _is_linear(node.value, scope)
    if not isinstance(node, tree.Arithmetic):
        return False
    if node.op in "+-":
        return _is_linear(node.left, scope) and _is_linear(node.right, scope)
    if node.op == "*" and is_constant(node.left):
        return _is_linear(node.right, scope)
    return is_constant(node.right) and _is_linear(node.left, scope)
