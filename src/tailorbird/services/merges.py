"""What the log knows of merges."""

from __future__ import annotations

import msgspec

from tailorbird.events.event import MERGE_OUT, Merge, Unmerge, partition_of
from tailorbird.ports.event_log import EventLog
from tailorbird.ports.identity_store import IdentityStore

_BATCH = 5_000
_decode_merge = msgspec.msgpack.Decoder(Merge).decode


def merge_of(log: EventLog, identity: IdentityStore, profile_id: int) -> Unmerge | None:
    """Return how to undo the merge by which a profile became another one; None if it is itself.

    Reads the log of the profile's partition.
    """
    survivor = identity.resolve(profile_id)
    if survivor == profile_id:
        return None
    merge_id = ""
    after = 0
    while records := log.read(after, _BATCH, [partition_of(profile_id)]):
        after = records[-1].offset
        for record in records:
            if record.kind == MERGE_OUT and record.profile_id == profile_id and record.body:
                merge_id = _decode_merge(record.body).merge_id
    return Unmerge(merge_id, survivor, profile_id, identity.own_identifiers(profile_id))
