"""The lake's column of items (`language.warehouse.items`) as Arrow arrays."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from tailorbird.language.warehouse.items import BETWEEN, COLUMN, Item, cut, item_of

# The leaves of the column in Parquet.
ITEM, QUANTITY = (f"{COLUMN}.list.element.{name}" for name in Item._fields)
_decode = msgspec.json.Decoder(dict[str, Any]).decode


def properties_apart(texts: Sequence[str], left: Collection[int] = ()) -> dict[str, pa.Array]:
    """Return the columns `properties` and, if any has a list of objects, `items`.

    Rows of `left` are left as they are.
    """
    parts = ((text, None) if row in left else cut(text) for row, text in enumerate(texts))
    rests, insides = _arrays(parts, pa.string())
    lists = pc.split_pattern(insides, BETWEEN)
    found = lists.values.dictionary_encode()
    # Items that differ by quantity alone share their text.
    words, quantities = _arrays(map(item_of, found.dictionary.to_pylist()), pa.int32())
    words = words.dictionary_encode()
    is_item = pa.array(map(_is_object, words.dictionary.to_pylist()), pa.bool_())
    if pc.all(is_item).as_py() is False:
        # What looked like a list, or like its end, stood between quotes.
        is_odd = pc.invert(is_item.take(words.indices).take(found.indices))
        rows = pc.list_parent_indices(lists).filter(is_odd)
        return properties_apart(texts, {*left, *rows.to_pylist()})
    if not len(found):
        return {"properties": rests}
    items = pa.StructArray.from_arrays([words, quantities], list(Item._fields))
    column = pa.ListArray.from_arrays(
        lists.offsets, items.take(found.indices), mask=lists.is_null()
    )
    return {"properties": rests, COLUMN: column}


def _is_object(text: str) -> bool:
    try:
        _decode(text)
    except msgspec.DecodeError:
        return False
    return True


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
