"""Static checks of a tree: types, names, places, and whether a comparison can be kept live.

Types are strings: number, string, boolean, timestamp, duration, list, any (known at run time only).
Everything that is found is collected, so that a person sees all faults together. What glides is
judged by `gliding`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tailorbird.base.names import nearest
from tailorbird.base.problems import Problem
from tailorbird.language import gliding, grammar, money, tree
from tailorbird.language.errors import problem_at
from tailorbird.language.grammar import (
    ANY,
    BOOLEAN,
    DURATION_TYPE,
    LIST,
    NUMBER_TYPE,
    STRING,
    TIMESTAMP,
)
from tailorbird.language.scope import BUILT_IN_EVENTS, JOURNEY, SCORE, SEGMENT, Scope, find_cycle

_A = {
    NUMBER_TYPE: "a number",
    STRING: "a text",
    BOOLEAN: "a condition",
    TIMESTAMP: "an instant",
    DURATION_TYPE: "a duration",
    LIST: "a list",
    ANY: "a value",
}


def check(
    node: tree.Node, scope: Scope, text: str = "", *, expects: str | None = None
) -> tuple[str, list[Problem]]:
    """Return the type of an expression and all that is wrong with it.

    Args:
        node: The tree, with spans into `text`.
        scope: What may be referred to, and where the expression stands.
        text: The text that was parsed; gives line, column and excerpt of the problems.
        expects: "boolean" for a condition, "number" for a score; None takes any type.
    """
    checker = _Checker(scope, text)
    kind = checker.type_of(node)
    if expects == BOOLEAN:
        checker.expect_condition(node, kind)
    elif expects is not None and kind not in (expects, ANY):
        checker.report(node, f"this is {_A[kind]}, {_A[expects]} is needed", _MEND_VALUE)
    return kind, checker.problems


_MEND_VALUE = "For example: count(product_viewed within 7d) * 2"


class _Checker:
    def __init__(self, scope: Scope, text: str) -> None:
        self.scope = scope
        self.text = text
        self.problems: list[Problem] = []
        self._selector: tree.Selector | None = None
        self._looks_at_items = False

    def report(self, node: tree.Node, message: str, mend: str = "") -> None:
        """Collect a problem at a node."""
        start, end = node.span
        self.problems.append(problem_at(self.text, start, end - start, message=message, mend=mend))

    def shown(self, node: tree.Node) -> str:
        """Return a node as it was written, cut to a readable length."""
        written = " ".join(self.text[node.span[0] : node.span[1]].split())
        return f"`{written[:60]}...`" if len(written) > 60 else f"`{written}`"

    # -- types -----------------------------------------------------------------------------------

    def type_of(self, node: tree.Node) -> str:
        """Return a node's type and collect what is wrong below it."""
        match node:
            case tree.Number():
                return NUMBER_TYPE
            case tree.Text():
                return STRING
            case tree.Instant():
                return TIMESTAMP
            case tree.DurationValue():
                self._check_months(node)
                return DURATION_TYPE
            case tree.ListRef():
                self._check_name(node, "list", node.name, self.scope.lists)
                return LIST
            case tree.Path():
                return self._path(node)
            case tree.Property():
                return self._property(node.parts, node)
            case tree.Aggregate():
                return self._aggregate(node)
            case tree.Named():
                return self._named(node)
            case tree.Call():
                return self._call(node)
            case tree.Negate():
                return self._negate(node)
            case tree.Arithmetic():
                return self._arithmetic(node)
        self._condition(node)
        return BOOLEAN

    def _condition(self, node: tree.Node) -> None:
        match node:
            case tree.And() | tree.Or():
                for part in node.parts:
                    self.expect_condition(part, self.type_of(part))
            case tree.Not():
                self.expect_condition(node.part, self.type_of(node.part))
            case tree.InSegment():
                self._check_name(node, "segment", node.name, self.scope.segments)
                self._check_cycle(node, "segment", node.name)
            case tree.Compare():
                self._compare(node, node.op, (node.left, node.right))
            case tree.Between():
                self._compare(node, "<=", (node.value, node.low, node.high))
            case tree.In():
                self._in(node)
            case tree.Match():
                self._match(node)
            case tree.IsNull():
                self.type_of(node.value)

    def expect_condition(self, node: tree.Node, kind: str) -> None:
        """Report a value where a condition is needed."""
        if kind in (BOOLEAN, ANY):
            return
        shown = self.shown(node).strip("`")
        example = {NUMBER_TYPE: "> 0", STRING: "= 'shoes'", DURATION_TYPE: "> 30d"}.get(kind, "...")
        mend = f"Compare it, for example: {shown} {example}"
        if kind == TIMESTAMP:
            mend = f"Compare it, for example: {shown} < now"
        self.report(node, f"{self.shown(node)} is {_A[kind]}, not a condition", mend)

    def _compare(self, node: tree.Node, op: str, sides: Sequence[tree.Node]) -> None:
        kinds = [self._side_type(side, sides) for side in sides]
        known = [(kind, side) for kind, side in zip(kinds, sides, strict=True) if kind != ANY]
        for kind, side in known[1:]:
            first, other = known[0]
            if kind != first:
                self._mismatch(node, first, other, kind, side)
                return
        for kind, side in known:
            if kind == LIST:
                self.report(
                    side,
                    "a list cannot be compared with one value",
                    "Write: list contains 'x', or ask how many there are with length(...).",
                )
            elif kind == BOOLEAN and op not in ("=", "!="):
                self.report(
                    side, "a condition is not less or greater", "Use `=`, `!=`, `and`, `or`."
                )
        self._check_gliding(node, sides)

    def _side_type(self, side: tree.Node, sides: Sequence[tree.Node]) -> str:
        if isinstance(side, tree.DurationValue) and side.duration.months:
            others = [one for one in sides if not isinstance(one, tree.DurationValue)]
            if others and all(map(gliding.counts_months, others)):
                return DURATION_TYPE
        return self.type_of(side)

    def _mismatch(
        self, node: tree.Node, left: str, left_node: tree.Node, right: str, right_node: tree.Node
    ) -> None:
        kinds = {left, right}
        mend = "Compare values of one type."
        if kinds == {NUMBER_TYPE, STRING}:
            text = left_node if left == STRING else right_node
            mend = "'5' is not 5: leave the quotes away to compare with a number."
            if not isinstance(text, tree.Text):
                mend = "Put the number in quotes to compare it as a text."
        elif kinds == {NUMBER_TYPE, DURATION_TYPE}:
            mend = "A duration has a unit: 30s 15m 24h 7d 2w 6mo 1y."
        elif kinds == {TIMESTAMP, STRING}:
            mend = "Write the instant as timestamp('2026-01-31T10:00:00Z')."
        elif kinds == {TIMESTAMP, DURATION_TYPE}:
            mend = "Subtract two instants to get a duration: now - event.timestamp > 1d."
        elif BOOLEAN in kinds:
            mend = "Use the condition by itself, or compare it with true or false."
        self.report(node, f"{_A[left]} is compared with {_A[right]}", mend)

    def _in(self, node: tree.In) -> None:
        kind = self.type_of(node.value)
        if kind == LIST:
            self.report(node.value, "a list is not in a list", "Write: list contains 'x'.")
        if isinstance(node.options[0], tree.ListRef):
            self.type_of(node.options[0])
            if kind not in (STRING, ANY):
                self.report(node, f"{_A[kind]} is never in a list of texts", "Lists hold texts.")
            return
        kinds = {self.type_of(option) for option in node.options}
        if kind != ANY and kind not in kinds:
            self._mismatch(node, kind, node.value, sorted(kinds)[0], node.options[0])
        self._check_gliding(node, (node.value, *node.options))

    def _match(self, node: tree.Match) -> None:
        left, right = self.type_of(node.left), self.type_of(node.right)
        word = node.op.replace("_", " ")
        allowed = (STRING, ANY, LIST) if node.op == "contains" else (STRING, ANY)
        if left not in allowed:
            self.report(node.left, f"`{word}` asks a text, not {_A[left]}", "Use `=`, `<` or `>`.")
        if node.op == "contains" and left in (LIST, ANY):
            if right == LIST:
                self.report(node.right, "a list contains single values", "Write one value.")
        elif right not in (STRING, ANY):
            self.report(
                node.right, f"`{word}` needs a text after it, not {_A[right]}", "Put it in quotes."
            )

    # -- values ----------------------------------------------------------------------------------

    def _negate(self, node: tree.Negate) -> str:
        kind = self.type_of(node.value)
        if kind not in (NUMBER_TYPE, DURATION_TYPE, ANY):
            self.report(node, f"`-` cannot stand before {_A[kind]}", "Use numbers or durations.")
            return ANY
        return kind

    def _arithmetic(self, node: tree.Arithmetic) -> str:
        left, right = self.type_of(node.left), self.type_of(node.right)
        if ANY in (left, right):
            other = right if left == ANY else left
            if other in (STRING, BOOLEAN, LIST):
                self._no_arithmetic(node, left, right)
            return ANY
        result = _RESULTS.get((left, node.op, right))
        if result is None:
            self._no_arithmetic(node, left, right)
            return ANY
        return result

    def _no_arithmetic(self, node: tree.Arithmetic, left: str, right: str) -> None:
        self.report(
            node,
            f"`{node.op}` cannot join {_A[left]} and {_A[right]}",
            "Arithmetic works on numbers, durations and instants.",
        )

    def _call(self, node: tree.Call) -> str:
        kinds = [self.type_of(argument) for argument in node.arguments]
        self._check_place_of_call(node)
        form = grammar.FUNCTIONS[node.name]
        wanted: dict[str, tuple[str, ...]] = {
            "lower": (STRING,),
            "length": (STRING, LIST),
            "age": (TIMESTAMP, STRING),
            "anniversary": (TIMESTAMP, STRING),
            **dict.fromkeys(grammar.CALENDAR, (TIMESTAMP,)),
        }
        for kind, argument in zip(kinds, node.arguments, strict=True):
            if node.name in wanted and kind not in (*wanted[node.name], ANY):
                names = " or ".join(_A[one] for one in wanted[node.name])
                self.report(
                    argument,
                    f"`{node.name}` takes {names}, not {_A[kind]}",
                    f"For example: {form.example}",
                )
        if node.name == "coalesce":
            return kinds[0] if len(set(kinds)) == 1 else ANY
        return form.result

    def _check_place_of_call(self, node: tree.Call) -> None:
        if node.name not in ("hour", "weekday", "date") or self.scope.place not in (SEGMENT, SCORE):
            return
        if not node.arguments or gliding.is_now(node.arguments[0]):
            self.report(
                node,
                f"`{node.name}` cannot be used in a {self.scope.place}: everybody would change in"
                " the same second",
                "Ask it in a journey, a decision or a cap, where it is asked at the moment.",
            )

    def _named(self, node: tree.Named) -> str:
        known = {
            "score": self.scope.scores,
            "prediction": self.scope.predictions,
            "cluster": self.scope.clusters,
            "interest": self.scope.interests,
        }[node.kind]
        self._check_name(node, node.kind, node.name, known)
        if node.kind == "score":
            self._check_cycle(node, "score", node.name)
        if node.kind == "interest":
            return NUMBER_TYPE if node.of else STRING
        return grammar.NAMED[node.kind][0]

    def _path(self, node: tree.Path) -> str:
        if node.root == "event":
            if self.scope.place != JOURNEY:
                self.report(
                    node,
                    f"`event.` cannot be used in a {self.scope.place}: no event triggers it",
                    "Ask the history instead, for example last(order_completed.revenue) > 50.",
                )
            return TIMESTAMP if node.parts == ("timestamp",) else ANY
        if node.root != "traits" or self.scope.traits is None:
            return ANY
        name = node.parts[0]
        self._check_name(node, "trait", name, self.scope.traits, "schema.yaml")
        return _known_type(self.scope.traits.get(name)) if len(node.parts) == 1 else ANY

    # -- the history -----------------------------------------------------------------------------

    def _aggregate(self, node: tree.Aggregate) -> str:
        for selector in node.selectors:
            self._check_selector(node, selector)
        return grammar.AGGREGATES[node.kind].result

    def _check_selector(self, node: tree.Aggregate, selector: tree.Selector) -> None:
        events = self.scope.events
        if events is not None:
            self._check_name(
                selector, "event", selector.event, (*events, *BUILT_IN_EVENTS), "schema.yaml"
            )
        self._selector, self._looks_at_items = selector, False
        kind = self._property(selector.path, selector) if selector.path else ANY
        for path in (node.by,) if node.by else ():
            self._property(path, selector)
        if node.kind in ("sum", "avg", "min", "max") and kind not in (NUMBER_TYPE, LIST, ANY):
            self.report(
                selector,
                f"`{node.kind}` needs numbers, {'.'.join(selector.path)} is {_A[kind]}",
                "Choose another property, or count the events.",
            )
        mixed = money.fault_of(node, selector, self.scope.currencies)
        if mixed is not None:
            self.report(selector, *mixed)
        self._looks_at_items = bool(selector.path) and node.kind in ("any", "none", "count")
        if selector.where is not None:
            self.expect_condition(selector.where, self.type_of(selector.where))
        self._selector = None

    def _property(self, parts: tuple[str, ...], at: tree.Node) -> str:
        selector, events = self._selector, self.scope.events
        if selector is None or events is None or self._looks_at_items or parts[0] == "context":
            return ANY
        known = events.get(selector.event)
        if not known:
            return ANY
        name = ".".join(parts)
        heads = {one.split(".")[0] for one in known}
        if parts[0] not in heads:
            near = nearest(name, known)
            self.report(
                at,
                f"`{selector.event}` has no property `{name}`",
                (f"Did you mean {near}? " if near else f"Known are {_listed(known)}. ")
                + "Or declare it in schema.yaml.",
            )
        return _known_type(known.get(name))

    # -- names and motion ------------------------------------------------------------------------

    def _check_name(
        self,
        node: tree.Node,
        kind: str,
        name: str,
        known: Iterable[str] | None,
        place: str = "",
    ) -> None:
        if known is None or name in (names := tuple(known)):
            return
        near = nearest(name, names)
        mend = f"Did you mean {near}?" if near else ""
        if not near:
            mend = f"Known are {_listed(names)}." if names else f"There is no {kind} yet."
        if place:
            mend += f" Or declare it in {place}."
        self.report(node, f"unknown {kind} `{name}`", mend)

    def _check_cycle(self, node: tree.Node, kind: str, name: str) -> None:
        scope = self.scope
        if (kind, name) == (scope.place, scope.name):
            way: list[str] | None = [name, name]
        else:
            way = find_cycle((kind, name), scope.segments or {}, scope.scores or {})
        if way:
            self.report(
                node,
                f"{kind} '{name}' refers to itself: {' -> '.join(way)}",
                "Take the common part out into a definition of its own.",
            )

    def _check_gliding(self, node: tree.Node, sides: Sequence[tree.Node]) -> None:
        fault = gliding.fault_of(sides, self.scope)
        if fault is not None:
            self.report(node, *fault)

    def _check_months(self, node: tree.DurationValue) -> None:
        if node.duration.months:
            self.report(
                node,
                "months and years differ in length: they can only be compared with since(...)"
                " or age(...) directly",
                "Write days instead, for example 180d.",
            )


def _known_type(name: str | None) -> str:
    return name if name in _A else ANY


def _listed(names: Iterable[str]) -> str:
    found = sorted(names)
    return ", ".join(found[:8]) + (", ..." if len(found) > 8 else "")


_N, _T, _D = NUMBER_TYPE, TIMESTAMP, DURATION_TYPE
_RESULTS = {
    **{(_N, op, _N): _N for op in "+-*/"},
    (_D, "+", _D): _D,
    (_D, "-", _D): _D,
    (_T, "+", _D): _T,
    (_D, "+", _T): _T,
    (_T, "-", _D): _T,
    (_T, "-", _T): _D,
    (_D, "*", _N): _D,
    (_N, "*", _D): _D,
    (_D, "/", _N): _D,
    (_D, "/", _D): _N,
}
