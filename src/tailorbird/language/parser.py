"""Reads the text of an expression into a tree: a Pratt parser over `lexer`'s tokens.

The grammar's tables are in `grammar`; calls are read by `calls`. What a tree means is not decided
here: `types` checks it, `oracle` and `compiler` give it meaning.
"""

from __future__ import annotations

from tailorbird.base.names import nearest
from tailorbird.language import calls, faults, grammar, lexer, tree, walk
from tailorbird.language.errors import ExpressionError
from tailorbird.language.lexer import DURATION, END, NAME, NUMBER, SIGN, TEXT, Token

DEPTH_MAX = 60  # levels of a tree, and of parentheses
PATH_PARTS_MAX = 20

# Binding powers: what stands between two operands belongs to the side that binds stronger.
LOOSEST, OR, AND, NOT, COMPARISON, SUM, PRODUCT = range(7)

COMPARISONS = ("=", "!=", "<", "<=", ">", ">=")
_TESTS = ("between", "in", "like", "contains", "starts", "ends", "is", "not")
_INFIX_WORDS = ("and", "or", *_TESTS, "where", *grammar.MODIFIERS)
RESERVED = frozenset(("true", "false", "null", *_INFIX_WORDS))


def parse(text: str, *, in_where: bool = False) -> tree.Node:
    """Read an expression; with `in_where` a condition on one event, as it stands after `where`.

    Raises:
        ExpressionError: the text is not an expression; line, column and mend are attributes.

    Example:
        >>> parse("count(order_completed within 30d) > 5").op
        '>'
    """
    return Parser(text, in_where=in_where).read()


class Parser:
    """One reading of one text; `calls` reads what stands in the parentheses of a call."""

    def __init__(self, text: str, *, in_where: bool) -> None:
        self.text = text
        self.tokens = lexer.tokenize(text)
        self.position = 0
        self.in_where = in_where
        self._depth = 0

    def read(self) -> tree.Node:
        """Read the whole text."""
        if self.token.kind == END:
            raise self.error(
                "the expression is empty", mend="Write for example: none(email_opened)"
            )
        node = self.expression()
        if self.token.kind != END:
            raise self.unexpected("`and`, `or` or the end", ("and", "or", *_TESTS))
        self._check_height(node)
        return node

    # -- tokens ----------------------------------------------------------------------------------

    @property
    def token(self) -> Token:
        """The token that comes next."""
        return self.tokens[self.position]

    def ahead(self, count: int = 1) -> Token:
        """Return a later token, END behind the last."""
        return self.tokens[min(self.position + count, len(self.tokens) - 1)]

    def advance(self) -> Token:
        """Take the next token."""
        token = self.token
        if token.kind != END:
            self.position += 1
        return token

    def expect_sign(self, sign: str, expected: str, mend: str = "") -> Token:
        """Take a sign or raise."""
        if not self.token.is_sign(sign):
            raise self.unexpected(expected, mend=mend)
        return self.advance()

    def span(self, start: int) -> tree.Span:
        """Return the span from an offset to the end of the last token taken."""
        return start, self.tokens[max(self.position - 1, 0)].end

    def error(self, message: str, *, at: Token | None = None, mend: str = "") -> ExpressionError:
        """Make an error at a token (the next one unless given)."""
        token = at or self.token
        return ExpressionError(
            message, text=self.text, start=token.start, length=token.end - token.start, mend=mend
        )

    def unexpected(
        self, expected: str, words: tuple[str, ...] = (), mend: str = ""
    ) -> ExpressionError:
        """Say what was expected where something else stands, with the nearest of `words`."""
        token = self.token
        found = "the text ends here" if token.kind == END else f"found {self._shown(token)}"
        if not mend and token.kind == NAME:
            begins_value = self.ahead().is_sign(".", "(")
            near = None if begins_value else nearest(token.value, words)
            mend = f"Did you mean `{near}`?" if near else ""
        if not mend and token.is_sign(")"):
            mend = "Remove this `)`, or open a parenthesis for it before."
        if not mend and token.kind != END and "and" in words:
            mend = "Two conditions are joined by `and` or `or`."
        return self.error(f"expected {expected}, {found}", mend=mend)

    def _shown(self, token: Token) -> str:
        written = self.text[token.start : token.end]
        return f"`{written}`" if len(written) <= 40 else f"`{written[:40]}...`"

    def _check_height(self, root: tree.Node) -> None:
        stack = [(root, 1)]
        while stack:
            node, height = stack.pop()
            if height > DEPTH_MAX:
                raise self._too_deep(node.span[0])
            stack += [(child, height + 1) for child in walk.children(node)]

    def _too_deep(self, start: int) -> ExpressionError:
        return ExpressionError(
            f"the expression is nested more than {DEPTH_MAX} levels deep",
            text=self.text,
            start=start,
            mend="Move a part into a segment or a score of its own.",
        )

    # -- expressions -----------------------------------------------------------------------------

    def expression(self, power: int = LOOSEST) -> tree.Node:
        """Read an operand and everything behind it that binds stronger than `power`."""
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise self._too_deep(self.token.start)
        node = self._expression(power)
        self._depth -= 1
        return node

    def _expression(self, power: int) -> tree.Node:
        start = self.token.start
        left = self._operand(power)
        is_compared = False
        while True:
            token = self.token
            if token.is_sign("*", "/") and power < PRODUCT:
                left = self._arithmetic(left, start, PRODUCT)
            elif token.is_sign("+", "-") and power < SUM:
                left = self._arithmetic(left, start, SUM)
            elif (token.is_sign(*COMPARISONS) or token.is_word(*_TESTS)) and power < COMPARISON:
                if is_compared:
                    raise self._chained(token)
                left = self._comparison(left, start)
                is_compared = True
            elif token.is_word("and") and power < AND:
                left = self._joined(left, start, "and")
            elif token.is_word("or") and power < OR:
                left = self._joined(left, start, "or")
            else:
                return left

    def _chained(self, token: Token) -> ExpressionError:
        if not token.is_sign(*COMPARISONS):
            return self.unexpected("`and`, `or` or the end", ("and", "or"))
        return self.error(
            "comparisons cannot be chained",
            mend="Join two with `and`, or write: x between 1 and 5.",
        )

    def _arithmetic(self, left: tree.Node, start: int, power: int) -> tree.Node:
        op = self.advance().value
        right = self.expression(power)
        return tree.Arithmetic(op=op, left=left, right=right, span=self.span(start))

    def _joined(self, left: tree.Node, start: int, word: str) -> tree.Node:
        kind: type[tree.And] | type[tree.Or] = tree.And if word == "and" else tree.Or
        parts = list(left.parts) if isinstance(left, kind) else [left]
        while self.token.is_word(word):
            self.advance()
            part = self.expression(AND if word == "and" else OR)
            parts += part.parts if isinstance(part, kind) else [part]
        return kind(parts=tuple(parts), span=self.span(start))

    # -- comparisons -----------------------------------------------------------------------------

    def _comparison(self, left: tree.Node, start: int) -> tree.Node:
        token = self.advance()
        if token.kind == SIGN:
            right = self._value(f"a value after `{token.value}`")
            return tree.Compare(op=token.value, left=left, right=right, span=self.span(start))
        is_negated = token.value == "not"
        if is_negated:
            token = self.token
            words = ("in", "between", "like", "contains", "starts", "ends")
            if not token.is_word(*words):
                raise self.unexpected(
                    "`in`, `between`, `like`, `contains`, `starts with` or `ends with` after `not`",
                    words,
                    mend="For example: traits.city not in ('Rome', 'Oslo'); or put `not` in front"
                    " of the whole condition.",
                )
            self.advance()
        match token.value:
            case "is":
                return self._is_null(left, start)
            case "between":
                return self._between(left, start, is_negated)
            case "in":
                return self._in(left, start, is_negated)
        op = token.value
        if op in ("starts", "ends"):
            if not self.token.is_word("with"):
                example = f"For example: traits.email {op} with 'x'"
                raise self.unexpected(f"`with` after `{op}`", ("with",), mend=example)
            self.advance()
            op += "_with"
        right = self._value(f"a text after `{op.replace('_', ' ')}`")
        return tree.Match(
            op=op, left=left, right=right, is_negated=is_negated, span=self.span(start)
        )

    def _value(self, expected: str) -> tree.Node:
        if self.token.is_word("null") and not self.ahead().is_sign("."):
            raise self.error(
                "nothing equals null: comparisons with it are never true",
                mend="Write `is null` or `is not null`.",
            )
        if self.token.kind == END or self.token.is_sign(")", ","):
            raise self.unexpected(
                expected, mend="Write a number, a text in quotes, a duration or a path there."
            )
        return self.expression(COMPARISON)

    def _is_null(self, left: tree.Node, start: int) -> tree.Node:
        is_negated = self.token.is_word("not")
        if is_negated:
            self.advance()
        if not self.token.is_word("null"):
            raise self.unexpected(
                "`null` after `is`", ("null",), mend="Compare with `=` or `!=`; `is` asks for null."
            )
        self.advance()
        return tree.IsNull(value=left, is_negated=is_negated, span=self.span(start))

    def _between(self, left: tree.Node, start: int, is_negated: bool) -> tree.Node:
        low = self._value("a value after `between`")
        if not self.token.is_word("and"):
            raise self.unexpected(
                "`and` and the upper end",
                ("and",),
                mend="For example: traits.visits between 1 and 5",
            )
        self.advance()
        high = self._value("the upper end after `and`")
        return tree.Between(
            value=left, low=low, high=high, is_negated=is_negated, span=self.span(start)
        )

    def _in(self, left: tree.Node, start: int, is_negated: bool) -> tree.Node:
        token = self.token
        if token.is_word("segment"):
            raise self.error(
                "membership of a segment stands alone",
                mend="Write in segment('vip') or not in segment('vip') without a value before it.",
            )
        if token.is_word("list"):
            options: tuple[tree.Node, ...] = (self._list(),)
        elif token.is_sign("("):
            options = self._options()
        else:
            example = self._shown(token).strip("`") if token.kind in (TEXT, NUMBER) else "'a', 'b'"
            mend = f"Write in ({example}) or in list('name')."
            if token.kind == NAME:
                mend += " Whether a list holds a value is asked with `contains`."
            raise self.unexpected("`(` or `list(` after `in`", mend=mend)
        return tree.In(value=left, options=options, is_negated=is_negated, span=self.span(start))

    def _list(self) -> tree.ListRef:
        start = self.advance().start
        self.expect_sign("(", "`(`", mend="For example: traits.city in list('urban_cities')")
        if self.token.kind != TEXT:
            raise self.unexpected(
                "the list's name in quotes", mend="For example: in list('urban_cities')"
            )
        name = self.advance().value
        self.expect_sign(")", "`)`")
        return tree.ListRef(name=name, span=self.span(start))

    def _options(self) -> tuple[tree.Node, ...]:
        self.advance()
        if self.token.is_sign(")"):
            raise self.error("the list is empty", mend="Write at least one value: in ('a', 'b').")
        options = [self._option()]
        while self.token.is_sign(","):
            self.advance()
            options.append(self._option())
        self.expect_sign(")", "`,` or `)`", mend="Values are separated by commas: in ('a', 'b').")
        return tuple(options)

    def _option(self) -> tree.Node:
        token = self.token
        if token.kind in (TEXT, NUMBER) or token.is_word("true", "false", "timestamp"):
            return self._operand(PRODUCT)
        if token.is_sign("-") and self.ahead().kind == NUMBER:
            return self._operand(PRODUCT)
        if token.is_word("null"):
            raise self.error("null cannot be an option", mend="Ask with `is null` instead.")
        raise self.unexpected(
            "a text, number, true, false or timestamp",
            mend="Only constants may stand in the list: in ('a', 'b'). A named list is written"
            " without parentheses: in list('name').",
        )

    # -- operands --------------------------------------------------------------------------------

    def _operand(self, power: int) -> tree.Node:
        token = self.token
        if token.kind == NUMBER:
            self.advance()
            return tree.Number(scaled=token.value, span=self.span(token.start))
        if token.kind == TEXT:
            self.advance()
            if self.token.is_sign("."):
                raise self.error(
                    "a property of an event can only be read inside an aggregate",
                    at=token,
                    mend="For example: last('Product Viewed'.category) = 'shoes'",
                )
            return tree.Text(value=token.value, span=self.span(token.start))
        if token.kind == DURATION:
            self.advance()
            return tree.DurationValue(duration=token.value, span=self.span(token.start))
        if token.is_sign("("):
            return self._group()
        if token.is_sign("-"):
            return self._negative()
        if token.kind == NAME:
            return self._named(power)
        raise self.unexpected("a condition or value")

    def _group(self) -> tree.Node:
        self.advance()
        if self.token.is_sign(")"):
            raise self.error("the parentheses are empty", mend="Write a condition or value inside.")
        node = self.expression()
        mend = "Close the parenthesis with `)`."
        if self.token.is_sign(","):
            mend = "Lists of values stand only after `in`: traits.city in ('a', 'b')."
        if not self.token.is_sign(")"):
            raise self.unexpected("`)`", ("and", "or", *_TESTS), mend=mend)
        self.advance()
        return node

    def _negative(self) -> tree.Node:
        start = self.advance().start
        if self.token.kind == NUMBER:
            number = self.advance().value
            return tree.Number(scaled=-number, span=self.span(start))
        value = self.expression(PRODUCT)
        return tree.Negate(value=value, span=self.span(start))

    def _named(self, power: int) -> tree.Node:
        token = self.token
        word = token.value
        if self.in_where and self._is_property(token):
            return self._property()
        if word == "not":
            return self._not(power)
        if word == "in":
            return self._in_segment()
        if word in ("true", "false"):
            self.advance()
            return tree.Boolean(value=word == "true", span=self.span(token.start))
        if word in RESERVED:
            mend = f"Something is missing before `{token.text}`."
            if self.in_where:
                mend += f" If it is the name of a property, write properties.{token.text}."
            raise self.unexpected("a condition or value", mend=mend)
        following = self.ahead()
        if following.is_sign("("):
            node = calls.read(self, token)
            if node is None:
                raise faults.unknown_call(self, token)
            return node
        if self.in_where:
            return self._property()
        if word == "now":
            self.advance()
            return tree.Call(name="now", arguments=(), span=self.span(token.start))
        if word in grammar.ROOTS and following.is_sign("."):
            self.advance()
            parts = self.path_parts()
            return tree.Path(root=word, parts=parts, span=self.span(token.start))
        raise faults.unknown_name(self, token)

    def _is_property(self, token: Token) -> bool:
        following = self.ahead()
        if token.value not in RESERVED:
            return False
        is_operator = following.is_sign("=", "!=", "<", "<=", ">", ">=", "*", "/", ".")
        if token.value in ("true", "false", "null"):
            return following.is_sign(".")
        if token.value in ("and", "or", "not"):
            return is_operator
        is_closed = following.is_sign(")", ",", "+", "-") or following.kind == END
        return is_operator or is_closed or following.is_word(*_INFIX_WORDS)

    def _not(self, power: int) -> tree.Node:
        token = self.token
        if power >= COMPARISON:
            raise self.error(
                "`not` negates a whole condition",
                mend="Put it in front of the comparison: not (a = b), or write a != b.",
            )
        self.advance()
        part = self.expression(NOT)
        return tree.Not(part=part, span=self.span(token.start))

    def _in_segment(self) -> tree.Node:
        start = self.token
        if not self.ahead().is_word("segment"):
            mend = "A value stands before `in`: traits.city in ('a', 'b'); or: in segment('vip')."
            raise self.error("there is no value before `in`", mend=mend)
        if self.in_where:
            raise faults.outside_where(self, "segments", start)
        self.advance()
        self.advance()
        self.expect_sign("(", "`(`", mend="For example: in segment('vip')")
        if self.token.kind != TEXT:
            raise self.unexpected(
                "the segment's name in quotes", mend="For example: in segment('vip')"
            )
        name = self.advance().value
        self.expect_sign(")", "`)`")
        return tree.InSegment(name=name, span=self.span(start.start))

    def _property(self) -> tree.Node:
        token = self.token
        if token.value in ("traits", "event") and self.ahead().is_sign("."):
            raise faults.outside_where(self, f"`{token.value}.`", token)
        self.advance()
        parts = (token.text, *self.path_parts())
        return tree.Property(parts=calls.own_parts(parts), span=self.span(token.start))

    def path_parts(self) -> tuple[str, ...]:
        """Read `.name.name`; a part that is no name is put in quotes."""
        parts: list[str] = []
        while self.token.is_sign("."):
            self.advance()
            if self.token.kind not in (NAME, TEXT):
                raise self.unexpected(
                    "a name after the dot", mend="A name with other characters: traits.'my trait'."
                )
            if len(parts) >= PATH_PARTS_MAX:
                raise self.error(f"a path has at most {PATH_PARTS_MAX} names")
            part = self.advance()
            parts.append(part.text if part.kind == NAME else part.value)
        return tuple(parts)
