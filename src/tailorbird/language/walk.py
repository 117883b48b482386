"""Ways through a tree that do not recurse: direct children, and all nodes in order."""

from __future__ import annotations

from collections.abc import Iterator

from tailorbird.language import tree


def children(node: tree.Node) -> tuple[tree.Node, ...]:
    """Return all nodes directly below a node, selectors and filters of aggregates included."""
    match node:
        case tree.Compare() | tree.Match() | tree.Arithmetic():
            return node.left, node.right
        case tree.Between():
            return node.value, node.low, node.high
        case tree.In():
            return (node.value, *node.options)
        case tree.IsNull() | tree.Negate():
            return (node.value,)
        case tree.And() | tree.Or():
            return node.parts
        case tree.Not():
            return (node.part,)
        case tree.Call():
            return node.arguments
        case tree.Aggregate():
            return node.selectors
        case tree.Selector():
            return () if node.where is None else (node.where,)
    return ()


def nodes(root: tree.Node) -> Iterator[tree.Node]:
    """Yield a node and everything below it, in the order of the text."""
    stack = [root]
    while stack:
        node = stack.pop()
        yield node
        stack.extend(reversed(children(node)))
