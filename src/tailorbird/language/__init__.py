"""The expression language: text to tree, tree to meaning. Start with `parse` and `evaluate`."""

from tailorbird.language.api import changes, evaluate, evaluate_streaming
from tailorbird.language.errors import ExpressionError
from tailorbird.language.parser import parse

__all__ = ["ExpressionError", "changes", "evaluate", "evaluate_streaming", "parse"]
