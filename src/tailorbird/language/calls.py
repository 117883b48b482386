"""Reads what stands in the parentheses of a call: aggregates, functions, names in quotes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tailorbird.base.names import nearest, snake_case
from tailorbird.base.time import EARLIEST, LATEST, Duration, parse_micros
from tailorbird.language import faults, grammar, tree
from tailorbird.language.errors import ExpressionError
from tailorbird.language.lexer import (
    DURATION,
    DURATION_MEND,
    END,
    NAME,
    NUMBER,
    TEXT,
    UNIT_WORDS,
    Token,
)

if TYPE_CHECKING:
    from tailorbird.language.parser import Parser


def read(parser: Parser, name: Token) -> tree.Node | None:
    """Read a call whose name comes next; None where there is no such function."""
    word = name.value
    if word in grammar.AGGREGATES:
        if parser.in_where:
            raise faults.outside_where(parser, "other aggregates", name)
        return _Aggregate(parser).read()
    if word in grammar.FUNCTIONS:
        return _function(parser, name)
    if word in grammar.NAMED:
        if parser.in_where:
            raise faults.outside_where(parser, f"`{word}`", name)
        if word == "interest":
            return _interest(parser, name)
        text = _name_in_quotes(parser, f"{word}('...')", grammar.NAMED[word][1])
        return tree.Named(kind=word, name=text.value, span=parser.span(name.start))
    if word == "timestamp":
        text = _name_in_quotes(parser, "the instant", grammar.OTHER_CALLS[word])
        return tree.Instant(micros=_instant(parser, text), span=parser.span(name.start))
    return None


def _interest(parser: Parser, name: Token) -> tree.Node:
    parser.advance()
    parser.advance()
    texts: list[str] = []
    while True:
        if parser.token.kind != TEXT:
            raise parser.unexpected(
                "a text in quotes", mend=f"For example: {grammar.NAMED['interest'][1]}"
            )
        if texts and not parser.token.value:
            raise parser.unexpected(
                "a value that is not empty", mend="Leave it out for the top one."
            )
        texts.append(parser.advance().value)
        if len(texts) == 2 or parser.token.value != ",":
            break
        parser.advance()
    parser.expect_sign(")", "`)` after interest('...')")
    of = texts[1] if len(texts) == 2 else ""
    return tree.Named(kind="interest", name=texts[0], of=of, span=parser.span(name.start))


def own_parts(parts: tuple[str, ...]) -> tuple[str, ...]:
    """Leave `properties.` away: `properties.x` and `x` mean the same property of an event."""
    return parts[1:] if len(parts) > 1 and parts[0] == "properties" else parts


def _name_in_quotes(parser: Parser, what: str, example: str) -> Token:
    parser.advance()
    parser.advance()
    if parser.token.kind != TEXT:
        raise parser.unexpected("a text in quotes", mend=f"For example: {example}")
    text = parser.advance()
    parser.expect_sign(")", f"`)` after {what}")
    return text


def _instant(parser: Parser, token: Token) -> int:
    try:
        micros = parse_micros(token.value)
    except (ValueError, OverflowError):
        micros = LATEST + 1
    if not EARLIEST <= micros <= LATEST:
        raise parser.error(
            "this is not an instant",
            at=token,
            mend="Write timestamp('2026-01-31') or timestamp('2026-01-31T10:00:00Z').",
        )
    return micros


def _function(parser: Parser, name: Token) -> tree.Node:
    form = grammar.FUNCTIONS[name.value]
    if parser.in_where and not form.in_where:
        raise faults.outside_where(parser, f"`{name.value}`", name)
    parser.advance()
    parser.advance()
    arguments: list[tree.Node] = []
    if not parser.token.is_sign(")"):
        arguments.append(parser.expression())
        while parser.token.is_sign(","):
            parser.advance()
            arguments.append(parser.expression())
    parser.expect_sign(")", "`,` or `)`", mend=f"For example: {form.example}")
    least, most = form.arguments
    if not least <= len(arguments) <= most:
        wanted = str(least) if least == most else f"{least} to {most}"
        raise parser.error(
            f"`{name.value}` takes {wanted} argument{'' if wanted == '1' else 's'},"
            f" found {len(arguments)}",
            at=name,
            mend=f"For example: {form.example}",
        )
    return tree.Call(name=name.value, arguments=tuple(arguments), span=parser.span(name.start))


class _Aggregate:
    """Reads one aggregate: selectors with their filters, then the modifiers of the call."""

    def __init__(self, parser: Parser) -> None:
        self.parser = parser
        self.name = parser.advance()
        self.form = grammar.AGGREGATES[self.name.value]
        self.example = f"For example: {self.form.example}"
        parser.advance()

    def read(self) -> tree.Aggregate:
        """Read up to the closing parenthesis."""
        parser, kind = self.parser, self.name.value
        selectors = [self._selector()]
        while parser.token.is_sign(","):
            comma = parser.advance()
            if len(selectors) >= self.form.selectors[1]:
                most = self.form.selectors[1]
                raise parser.error(
                    f"`{kind}` takes {most} event{'s' if most > 1 else ''} at most",
                    at=comma,
                    mend=self.example,
                )
            selectors.append(self._selector())
        modifiers = self._modifiers()
        if not parser.token.is_sign(")"):
            raise self._unexpected_end(modifiers)
        parser.advance()
        self._check(selectors, modifiers)
        return tree.Aggregate(
            kind=kind,
            selectors=tuple(selectors),
            span=parser.span(self.name.start),
            **modifiers,
        )

    def _check(self, selectors: list[tree.Selector], modifiers: dict[str, Any]) -> None:
        kind, least = self.name.value, self.form.selectors[0]
        if len(selectors) < least:
            raise self.parser.error(
                f"`{kind}` needs {least} events, found {len(selectors)}",
                at=self.name,
                mend=self.example,
            )
        for needed in self.form.needed:
            if needed not in modifiers:
                raise self.parser.error(
                    f"`{kind}` needs `{needed}`", at=self.name, mend=self.example
                )

    def _selector(self) -> tree.Selector:
        parser, token = self.parser, self.parser.token
        if token.kind not in (NAME, TEXT):
            raise parser.unexpected("the name of an event", mend=self.example)
        event = snake_case(token.text or token.value)
        if not event:
            raise parser.error("the name of the event is empty", mend=self.example)
        if parser.ahead().is_sign("("):
            raise parser.error(
                f"`{self.name.value}` takes the name of an event, not another call",
                mend=self.example,
            )
        parser.advance()
        path = own_parts(parser.path_parts())
        self._check_path(token, path)
        where = self._where() if parser.token.is_word("where") else None
        return tree.Selector(event=event, path=path, where=where, span=parser.span(token.start))

    def _check_path(self, token: Token, path: tuple[str, ...]) -> None:
        kind, wanted = self.name.value, self.form.path
        if wanted == "needed" and not path:
            raise self.parser.error(
                f"`{kind}` needs a property of the event", at=token, mend=self.example
            )
        if wanted == "none" and path:
            raise self.parser.error(
                f"`{kind}` takes events, not their properties", at=token, mend=self.example
            )

    def _where(self) -> tree.Node:
        parser = self.parser
        parser.advance()
        if parser.token.kind in (DURATION, END) or parser.token.is_sign(")", ","):
            raise parser.unexpected("a condition after `where`", mend=self.example)
        known, parser.in_where = parser.in_where, True
        node = parser.expression()
        parser.in_where = known
        if parser.token.is_word("where"):
            raise parser.error(
                "there are two `where` in a row",
                mend="Join the conditions with `and`: where a = 1 and b = 2.",
            )
        return node

    def _modifiers(self) -> dict[str, Any]:
        parser = self.parser
        found: dict[str, Any] = {}
        while parser.token.is_word(*grammar.MODIFIERS):
            token = parser.token
            word = token.value
            if word in found:
                raise parser.error(f"`{word}` is given twice", mend="Remove one of them.")
            if word not in self.form.modifiers:
                raise self._not_taken(token)
            parser.advance()
            found[word] = self._key() if word == "by" else self._duration(word)
        return found

    def _not_taken(self, token: Token) -> ExpressionError:
        taken = ", ".join(f"`{word}`" for word in self.form.modifiers)
        return self.parser.error(
            f"`{self.name.value}` takes no `{token.value}`",
            at=token,
            mend=f"It takes {taken}. {self.example}",
        )

    def _key(self) -> tuple[str, ...]:
        parser, token = self.parser, self.parser.token
        if token.kind not in (NAME, TEXT):
            raise parser.unexpected("the name of a property after `by`", mend=self.example)
        parser.advance()
        first = token.text if token.kind == NAME else token.value
        return own_parts((first, *parser.path_parts()))

    def _duration(self, word: str) -> Duration:
        parser, token = self.parser, self.parser.token
        if token.kind == NUMBER:
            raise self._without_unit(token)
        if token.kind != DURATION:
            mend = DURATION_MEND if token.kind != NAME else f"{self.example}. {DURATION_MEND}"
            raise parser.unexpected(f"a duration after `{word}`", mend=mend)
        duration: Duration = token.value
        if duration == Duration() and word != "after":
            raise parser.error(f"`{word}` needs a duration longer than zero", mend=DURATION_MEND)
        parser.advance()
        return duration

    def _without_unit(self, token: Token) -> ExpressionError:
        parser = self.parser
        digits = parser.text[token.start : token.end]
        following = parser.ahead()
        unit = UNIT_WORDS.get(following.value) if following.kind == NAME else None
        mend = f"Did you mean {digits}{unit}? " if unit and digits.isdigit() else ""
        return parser.error(f"`{digits}` has no unit", mend=mend + DURATION_MEND)

    def _unexpected_end(self, modifiers: dict[str, Any]) -> ExpressionError:
        parser, token = self.parser, self.parser.token
        if token.is_word("where"):
            return parser.error(
                "`where` comes before the modifiers",
                mend="It belongs to the event: count(product_viewed where price > 5 within 24h).",
            )
        if modifiers and token.is_word("and", "or"):
            return parser.error(
                f"`{token.value}` cannot follow the modifiers",
                mend="Put the condition before them, behind `where`, or close the parenthesis.",
            )
        words = ("where", *self.form.modifiers)
        expected = ", ".join(f"`{word}`" for word in words if word not in modifiers)
        near = nearest(token.value, words) if token.kind == NAME else None
        mend = f"Did you mean `{near}`? {self.example}" if near else self.example
        is_condition = token.kind == NAME and not near and not modifiers
        if is_condition or token.is_sign("=", "!=", "<", "<=", ">", ">="):
            mend = f"A condition on the event stands behind `where`. {self.example}"
        return parser.unexpected(f"{expected} or `)`", mend=mend)
