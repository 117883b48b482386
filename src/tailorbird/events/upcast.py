"""Forms of records over time: what an earlier release wrote is brought to today's form when read.

A field more at the end of a record's struct, with a default, needs nothing here: old records are
read as they are. Any other change of meaning is a new form: append a pure function to the kind's
chain in `CHAINS`, which makes form n + 1 out of form n, and keep the ones before for good. From
then on the log writes the form's number in front of the fields; a record without one is of form 1,
since no struct begins with a number. The log itself is never rewritten.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from tailorbird.base.problems import TailorbirdError

# Takes the fields of a record's body in their order, and returns those of the next form.
Upcast = Callable[[list[Any]], list[Any]]
Chains = Mapping[str, tuple[Upcast, ...]]

CHAINS: Chains = {}

_NUMBER_MAX = 0x7F
_decode = msgspec.msgpack.Decoder(list[Any]).decode
_encode = msgspec.msgpack.Encoder().encode


class NewerForm(TailorbirdError):
    """A newer release wrote this record: it says more than this one understands."""


def form_of(body: bytes) -> int:
    """Return the form's number of a record's body, 1 where it has none."""
    if len(body) < 2:
        return 1  # a tick, or a stub
    head = body[0]
    # msgpack: a short array has one byte before its first element, a longer one three.
    first = body[1] if 0x90 <= head <= 0x9F else body[3] if head == 0xDC else 0x80
    return first if 0 < first <= _NUMBER_MAX else 1


def written(kind: str, body: bytes, chains: Chains = CHAINS) -> bytes:
    """Return a body of today's form as the log keeps it: with its number, where it needs one."""
    chain = chains.get(kind)
    if not chain or not body:
        return body
    return _encode([len(chain) + 1, *_decode(body)])


def present(kind: str, body: bytes, chains: Chains = CHAINS) -> bytes:
    """Return a body that the log kept in today's form, without a number.

    Raises:
        NewerForm: a newer release wrote it.
    """
    form, chain = form_of(body), chains.get(kind, ())
    if form == 1 and (not chain or not body):
        return body
    if form > len(chain) + 1:
        raise NewerForm(
            f"a record `{kind}` has form {form}, this release knows {len(chain) + 1};"
            " run the release that wrote it, or a newer one"
        )
    fields = _decode(body)
    if form > 1:
        del fields[0]
    for upcast in chain[form - 1 :]:
        fields = upcast(fields)
    return _encode(fields)
