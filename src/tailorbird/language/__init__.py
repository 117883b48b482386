"""The expression language: text to tree, tree to meaning. Start with `parse` and `evaluate`."""

from tailorbird.language.errors import ExpressionError
from tailorbird.language.parser import parse

__all__ = ["ExpressionError", "parse"]
