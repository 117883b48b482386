"""The composition root: the only place that joins services to adapters.

What every role needs is here. `definitions` and `delivery` are imported by name where they are
needed: the log's writer must not carry the language, nor an engine the templates.
"""

from __future__ import annotations

from tailorbird.bootstrap.stores import (
    KeyRoles,
    await_files,
    copy_state,
    disk_room,
    erasure_salt,
    is_writer_listening,
    keep_number_of_engines,
    make_state,
    open_clock,
    open_control,
    open_dead_letters,
    open_identity,
    open_ledger,
    open_log,
    open_nudged,
    open_nudger,
    open_seen_days,
    open_state,
    open_states,
    open_suppression,
    open_writer_client,
    outbox_cursor,
    own,
    prepare_data_folder,
    socket_path,
    token_key,
)

__all__ = [
    "KeyRoles",
    "await_files",
    "copy_state",
    "disk_room",
    "erasure_salt",
    "is_writer_listening",
    "keep_number_of_engines",
    "make_state",
    "open_clock",
    "open_control",
    "open_dead_letters",
    "open_identity",
    "open_ledger",
    "open_log",
    "open_nudged",
    "open_nudger",
    "open_seen_days",
    "open_state",
    "open_states",
    "open_suppression",
    "open_writer_client",
    "outbox_cursor",
    "own",
    "prepare_data_folder",
    "socket_path",
    "token_key",
]
