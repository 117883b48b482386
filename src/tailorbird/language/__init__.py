"""The expression language: text to tree, tree to meaning. Start with `parse` and `evaluate`."""

from tailorbird.language.api import changes, evaluate, evaluate_streaming
from tailorbird.language.errors import ExpressionError
from tailorbird.language.parser import parse
from tailorbird.language.printer import format_duration, format_expression
from tailorbird.language.scope import References, Scope, references
from tailorbird.language.syntax_tree import from_json, semantic_hash, to_json
from tailorbird.language.types import check
from tailorbird.language.warehouse.api import (
    evaluate_warehouse,
    warehouse_prelude,
    warehouse_sql,
)

__all__ = [
    "ExpressionError",
    "References",
    "Scope",
    "changes",
    "check",
    "evaluate",
    "evaluate_streaming",
    "evaluate_warehouse",
    "format_duration",
    "format_expression",
    "from_json",
    "parse",
    "references",
    "semantic_hash",
    "to_json",
    "warehouse_prelude",
    "warehouse_sql",
]
