"""The lake's column of items (`language.warehouse.items`) as Arrow arrays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from tailorbird.language.warehouse.items import BETWEEN, COLUMN, Item, cut, item_of

# The leaves of the column in Parquet.
ITEM, QUANTITY = (f"{COLUMN}.list.element.{name}" for name in Item._fields)


def properties_apart(texts: Sequence[str]) -> dict[str, pa.Array]:
    """Return the columns `properties` and, if any has a list of objects, `items`."""
    rests, insides = _arrays(map(cut, texts), pa.string())
    columns = {"properties": rests}
    if insides.null_count < len(insides):
        lists = pc.split_pattern(insides, BETWEEN)
        found = lists.values.dictionary_encode()
        # Items that differ by quantity alone share their text.
        words, quantities = _arrays(map(item_of, found.dictionary.to_pylist()), pa.int32())
        items = pa.StructArray.from_arrays(
            [words.dictionary_encode(), quantities], list(Item._fields)
        )
        columns[COLUMN] = pa.ListArray.from_arrays(
            lists.offsets, items.take(found.indices), mask=lists.is_null()
        )
    return columns


def _arrays(pairs: Iterable[tuple[str, Any]], kind: pa.DataType) -> tuple[pa.Array, pa.Array]:
    """Return texts and what goes with each as two arrays."""
    # Pairs that are let go at once: many that are kept set the collector of cycles to work.
    texts: list[str] = []
    others: list[Any] = []
    for text, other in pairs:
        texts.append(text)
        others.append(other)
    return pa.array(texts, pa.string()), pa.array(others, kind)


def has_items(schema: pa.Schema) -> bool:
    """Say whether a file or a table has the column."""
    return COLUMN in schema.names


def with_words_of_its_own(table: pa.Table) -> pa.Table:
    """Let the dictionary of items hold what occurs in this table, each once, and nothing else.

    What a slice or a filter left out would be written all the same, an erased person's items too.
    """
    if not has_items(table.schema):
        return table
    column = table[COLUMN].unify_dictionaries().combine_chunks()
    # `values` of a slice are those of the whole: `flatten` gives its own.
    item, quantity = column.flatten().flatten()
    used = item.indices.unique().sort()
    places = pc.index_in(item.indices, used).cast(pa.int32())
    texts = pa.DictionaryArray.from_arrays(places, item.dictionary.take(used))
    items = pa.StructArray.from_arrays([texts, quantity], list(Item._fields))
    lengths = pc.fill_null(pc.list_value_length(column), 0)
    offsets = pc.cumulative_sum(pa.concat_arrays([pa.array([0], lengths.type), lengths]))
    lists = pa.ListArray.from_arrays(offsets, items, mask=column.is_null())
    return table.set_column(table.column_names.index(COLUMN), COLUMN, lists)
