"""Cuts the text of an expression into tokens; `parser` gives them structure.

Linear in the length of the text; every fault is an `ExpressionError` with its place.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tailorbird.base.names import nearest
from tailorbird.base.numbers import scaled
from tailorbird.base.time import DAY, Duration
from tailorbird.language.errors import ExpressionError

LENGTH_MAX = 20_000  # characters of one expression

# Kinds of tokens.
NAME, TEXT, NUMBER, DURATION, SIGN, END = "name", "text", "number", "duration", "sign", "end"
# Kinds of pieces that are no tokens.
SPACE, COMMENT, FAULT = "space", "comment", "fault"

_YEARS_MAX = 1_000
_UNITS = {
    "s": Duration(micros=1_000_000),
    "m": Duration(micros=60_000_000),
    "h": Duration(micros=3_600_000_000),
    "d": Duration(micros=DAY),
    "w": Duration(micros=7 * DAY),
    "mo": Duration(months=1),
    "y": Duration(months=12),
}
UNIT_WORDS = {
    "sec": "s",
    "secs": "s",
    "second": "s",
    "seconds": "s",
    "min": "m",
    "mins": "m",
    "minute": "m",
    "minutes": "m",
    "hr": "h",
    "hrs": "h",
    "hour": "h",
    "hours": "h",
    "day": "d",
    "days": "d",
    "week": "w",
    "weeks": "w",
    "month": "mo",
    "months": "mo",
    "mon": "mo",
    "year": "y",
    "years": "y",
    "yr": "y",
    "yrs": "y",
}
DURATION_MEND = "Durations are a whole number and a unit: 30s 15m 24h 7d 2w 6mo 1y."

_SPACE = re.compile(r"\s+")
_COMMENT = re.compile(r"--[^\n]*")
_NAME = re.compile(r"[^\W\d]\w*")
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?|\.[0-9]+")
_UNIT = re.compile(r"[^\W\d_][^\W_]*")
_SIGNS = ("!=", "<=", ">=", "=", "<", ">", "+", "-", "*", "/", "(", ")", ",", ".")
_FOREIGN_SIGNS = {
    "==": "Write one `=` for equality.",
    "<>": "Write `!=` for inequality.",
    "&&": "Write `and`.",
    "||": "Write `or`.",
    "!": "Write `not` before a condition, or `!=` between two values.",
    "&": "Write `and`.",
    "|": "Write `or`.",
    "[": "Lists are written in parentheses: in ('a', 'b').",
    "{": "Lists are written in parentheses: in ('a', 'b').",
    '"': "Texts are written in single quotes: 'shoes'.",
    "“": "Texts are written in straight single quotes: 'shoes'.",
    "”": "Texts are written in straight single quotes: 'shoes'.",
    "‘": "Texts are written in straight single quotes: 'shoes'.",
    "’": "Texts are written in straight single quotes: 'shoes'.",
    "`": "Texts are written in single quotes: 'shoes'.",
    "%": "Write the percent sign right after a number: 50%.",
    "#": "A comment starts with `--` after white space.",
    ";": "Join conditions with `and` or `or`.",
}


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of text. `value`: lower-case name, NFC text, scaled number, `Duration` or sign."""

    kind: str
    value: Any
    start: int
    end: int
    text: str = ""  # a name as it was written

    def is_sign(self, *signs: str) -> bool:
        """Say whether this is one of these signs."""
        return self.kind == SIGN and self.value in signs

    def is_word(self, *words: str) -> bool:
        """Say whether this is one of these (lower-case) words."""
        return self.kind == NAME and self.value in words


def tokenize(text: str) -> list[Token]:
    """Cut a text into tokens; the last one is of kind END.

    Raises:
        ExpressionError: the text is too long or holds something that is no part of the language.
    """
    if len(text) > LENGTH_MAX:
        raise ExpressionError(
            f"the expression has {len(text):,} characters, {LENGTH_MAX:,} are the most",
            text=text[:200],
            mend="Split it into segments and join them with in segment('...').",
        )
    tokens: list[Token] = []
    at = 0
    is_spaced = True
    while at < len(text):
        space = _SPACE.match(text, at)
        if space:
            at, is_spaced = space.end(), True
            continue
        comment = _COMMENT.match(text, at) if is_spaced else None
        if comment:
            at = comment.end()
            continue
        token = _token(text, at)
        tokens.append(token)
        at, is_spaced = token.end, False
    tokens.append(Token(END, "", len(text), len(text)))
    return tokens


def pieces(text: str) -> Iterator[Token]:
    """Cut any text into pieces that join to it again: tokens, white space, comments, faults."""
    at = 0
    is_spaced = True
    while at < len(text):
        found = _SPACE.match(text, at)
        kind = SPACE
        if found is None and is_spaced:
            found, kind = _COMMENT.match(text, at), COMMENT
        if found is not None:
            piece = Token(kind, found[0], at, found.end())
        else:
            try:
                piece = _token(text, at)
            except ExpressionError as error:
                piece = Token(FAULT, "", at, min(at + max(error.length, 1), len(text)))
        yield piece
        at, is_spaced = piece.end, piece.kind in (SPACE, COMMENT)


def has_comment(text: str) -> bool:
    """Say whether a text holds a comment."""
    return any(piece.kind == COMMENT for piece in pieces(text))


def _token(text: str, at: int) -> Token:
    character = text[at]
    if character == "'":
        return _quoted(text, at)
    number = _NUMBER.match(text, at)
    if number:
        return _number(text, number)
    name = _NAME.match(text, at)
    if name:
        return Token(NAME, name[0].lower(), at, name.end(), name[0])
    pair = text[at : at + 2]
    if pair in _FOREIGN_SIGNS:
        raise _foreign(text, at, pair)
    for sign in _SIGNS:
        if text.startswith(sign, at):
            return Token(SIGN, sign, at, at + len(sign))
    if character in _FOREIGN_SIGNS:
        raise _foreign(text, at, character)
    shown = character if character.isprintable() else f"U+{ord(character):04X}"
    raise ExpressionError(
        f"`{shown}` is not part of the language",
        text=text,
        start=at,
        mend="Remove it, or put it in single quotes if it belongs to a text.",
    )


def _foreign(text: str, at: int, sign: str) -> ExpressionError:
    return ExpressionError(
        f"`{sign}` is not part of the language",
        text=text,
        start=at,
        length=len(sign),
        mend=_FOREIGN_SIGNS[sign],
    )


def _quoted(text: str, start: int) -> Token:
    at = start + 1
    while True:
        end = text.find("'", at)
        if end < 0:
            raise ExpressionError(
                "the text that begins here has no closing quote",
                text=text,
                start=start,
                mend="Close it with '. A quote inside a text is doubled: 'rock ''n'' roll'.",
            )
        if not text.startswith("'", end + 1):
            break
        at = end + 2
    value = unicodedata.normalize("NFC", text[start + 1 : end].replace("''", "'"))
    if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
        raise ExpressionError(
            "the text holds half of a surrogate pair, which is no character",
            text=text,
            start=start,
            length=end + 1 - start,
            mend="Remove the broken character.",
        )
    return Token(TEXT, value, start, end + 1)


def _number(text: str, match: re.Match[str]) -> Token:
    start, end = match.span()
    unit = _UNIT.match(text, end)
    if unit:
        return _duration(text, start, match[0], unit)
    value = Decimal(match[0])
    if text.startswith("%", end):
        end += 1
        value = value.scaleb(-2)
    number = scaled(value) if len(match[0]) <= 40 else None
    if number is None:
        raise ExpressionError(
            "the number is too large",
            text=text,
            start=start,
            length=end - start,
            mend="Numbers reach up to 1000000000000 (1e12) and have nine decimal places.",
        )
    if text.startswith((".", "_"), end) or text[end : end + 1].isalnum():
        raise ExpressionError(
            f"`{text[start : end + 1]}` is not a number",
            text=text,
            start=start,
            length=end + 1 - start,
            mend="Numbers look like 1000, 2.5, .5 or 50%.",
        )
    return Token(NUMBER, number, start, end)


def _duration(text: str, start: int, digits: str, unit: re.Match[str]) -> Token:
    end = unit.end()
    span = _UNITS.get(unit[0])
    if span is None or "." in digits:
        raise ExpressionError(
            f"`{text[start:end][:40]}` is not a duration",
            text=text,
            start=start,
            length=end - start,
            mend=_duration_mend(digits, unit[0]),
        )
    count = int(digits) if len(digits) <= 18 else 10**18
    duration = Duration(months=count * span.months, micros=count * span.micros)
    if duration.months > 12 * _YEARS_MAX or duration.micros > 366 * DAY * _YEARS_MAX:
        raise ExpressionError(
            "the duration is too long",
            text=text,
            start=start,
            length=end - start,
            mend=f"Durations reach up to {_YEARS_MAX}y.",
        )
    return Token(DURATION, duration, start, end)


def _duration_mend(digits: str, unit: str) -> str:
    low = unit.lower()
    known = low if low in _UNITS else UNIT_WORDS.get(low)
    if known is None and low not in ("e", "x", "o", "b", "k"):
        guess = nearest(low, UNIT_WORDS)
        known = UNIT_WORDS[guess] if guess else None
    if known and "." not in digits:
        return f"Did you mean {digits[:20]}{known}? {DURATION_MEND}"
    if "." in digits:
        return f"{DURATION_MEND} Write the smaller unit: 90m instead of 1.5h."
    return DURATION_MEND
