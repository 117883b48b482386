"""What the parser says of names that it does not know, or that stand in the wrong place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tailorbird.base.names import nearest
from tailorbird.language import grammar
from tailorbird.language.errors import ExpressionError
from tailorbird.language.lexer import Token

if TYPE_CHECKING:
    from tailorbird.language.parser import Parser


def outside_where(parser: Parser, what: str, at: Token) -> ExpressionError:
    """Say that `where` cannot see something."""
    return parser.error(
        f"`where` does not see {what}: it sees the event, constants and list('..') only",
        at=at,
        mend="Inside `where` write the event's properties by their names, for example"
        " count(order_completed where revenue > 100); ask the rest outside, joined by `and`.",
    )


def unknown_call(parser: Parser, token: Token) -> ExpressionError:
    """Say that a function does not exist, or stands in the wrong place."""
    near = nearest(token.value, grammar.call_names())
    mend = f"Known are {', '.join(grammar.call_names())}."
    if token.value == "segment":
        mend = "Write in segment('vip') or not in segment('vip')."
    elif token.value == "list":
        mend = "A list stands after `in`: traits.city in list('urban_cities')."
    elif near in grammar.AGGREGATES:
        mend = f"Did you mean `{near}`? For example: {grammar.AGGREGATES[near].example}"
    elif near in grammar.FUNCTIONS:
        mend = f"Did you mean `{near}`? For example: {grammar.FUNCTIONS[near].example}"
    elif near:
        mend = f"Did you mean `{near}`?"
    known = token.value in ("segment", "list")
    message = (
        f"`{token.text}(...)` cannot stand here"
        if known
        else f"there is no function `{token.text}`"
    )
    return parser.error(message, at=token, mend=mend)


def unknown_name(parser: Parser, token: Token) -> ExpressionError:
    """Say that a bare name means nothing, and what might have been meant."""
    word, following = token.value, parser.ahead()
    if word in grammar.ROOTS:
        example = {"context": "device.type", "event": "properties.total"}.get(word, "city")
        return parser.error(
            f"`{word}` needs a name", at=token, mend=f"For example: {word}.{example}"
        )
    if word in grammar.AGGREGATES:
        example = grammar.AGGREGATES[word].example
        return parser.error(f"`{word}` needs parentheses", at=token, mend=f"For example: {example}")
    if word in grammar.FUNCTIONS or word in grammar.NAMED:
        form = grammar.FUNCTIONS.get(word)
        example = form.example if form else grammar.NAMED[word][1]
        return parser.error(f"`{word}` needs parentheses", at=token, mend=f"For example: {example}")
    if following.is_sign("."):
        is_person = word in ("user", "profile", "person", "customer", "contact")
        near = "traits" if is_person else nearest(word, grammar.ROOTS)
        path = (
            parser.text[token.start : following.end]
            + parser.text[following.end :].split(" ")[0][:40]
        )
        mend = (
            f"Did you mean {near}.? " if near else ""
        ) + "Paths begin with traits, context, event, geo or weather; a property of an event is"
        return parser.error(
            f"`{token.text}.` begins no path",
            at=token,
            mend=f"{mend} read by an aggregate, for example last({path.strip('()')}).",
        )
    return parser.error(
        f"unknown name `{token.text}`",
        at=token,
        mend=f"For a trait write traits.{token.text}; a text stands in quotes: '{token.text}';"
        f" an event is asked for by any({token.text}).",
    )
