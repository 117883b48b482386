"""Colours for expressions in documents and terminals: a lexer for Pygments.

It cuts with the language's own `lexer` and knows words from the tables of `grammar` alone, so that
a new function is coloured on the day that it is added.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pygments.lexer import Lexer
from pygments.token import (
    Comment,
    Error,
    Keyword,
    Literal,
    Name,
    Number,
    Operator,
    Punctuation,
    String,
    Whitespace,
)

from tailorbird.language import grammar, lexer
from tailorbird.language.parser import RESERVED

_KINDS = {
    lexer.SPACE: Whitespace,
    lexer.COMMENT: Comment.Single,
    lexer.FAULT: Error,
    lexer.TEXT: String.Single,
    lexer.NUMBER: Number,
    lexer.DURATION: Literal.Date,
}
_CALLS = frozenset(grammar.call_names())
_CONSTANTS = ("true", "false", "null")
_CLAUSES = ("where", *grammar.MODIFIERS)


class TailorbirdLexer(Lexer):  # type: ignore[misc]  # Pygments ships no types
    """Pygments lexer of the language; every text is cut without loss, faults are `Error` tokens.

    Example:
        >>> from pygments import highlight
        >>> from pygments.formatters import RawTokenFormatter
        >>> highlight("any(a)", TailorbirdLexer(), RawTokenFormatter()).split()[0]
        b'Token.Name.Function'
    """

    name = "Tailorbird"
    aliases = ("tailorbird",)
    filenames = ("*.tailorbird",)
    url = ""

    def __init__(self, **options: Any) -> None:  # Any: Pygments' options are free
        # An expression is shown as it was written: no line is added or taken away.
        super().__init__(**{"ensurenl": False, "stripnl": False, **options})

    def get_tokens_unprocessed(self, text: str) -> Iterator[tuple[int, Any, str]]:
        """Yield (offset, kind of token, text); the texts join to what was given."""
        found = list(lexer.pieces(text))
        words = [piece for piece in found if piece.kind not in (lexer.SPACE, lexer.COMMENT)]
        kinds = {}
        for index, piece in enumerate(words):
            before = words[index - 1] if index else None
            after = words[index + 1] if index + 1 < len(words) else None
            kinds[piece.start] = _word(piece, before, after)
        for piece in found:
            kind = kinds.get(piece.start) or _KINDS[piece.kind]
            yield piece.start, kind, text[piece.start : piece.end]


def _word(piece: lexer.Token, before: lexer.Token | None, after: lexer.Token | None) -> Any:
    """Return the kind of a name or sign by what stands around it; None for anything else."""
    if piece.kind == lexer.SIGN:
        return Punctuation if piece.value in ("(", ")", ",", ".") else Operator
    if piece.kind != lexer.NAME:
        return None
    if before is not None and before.is_sign("."):
        return Name.Attribute
    is_called = after is not None and after.is_sign("(")
    if piece.is_word(*_CONSTANTS):
        return Keyword.Constant
    if piece.is_word(*_CLAUSES):
        return Keyword
    if piece.value in RESERVED or (before is not None and before.is_word("starts", "ends")):
        return Operator.Word
    if (is_called and piece.value in _CALLS) or piece.is_word("now"):
        return Name.Function
    is_root = after is not None and after.is_sign(".") and piece.value in grammar.ROOTS
    return Name.Builtin if is_root else Name
