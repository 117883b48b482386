"""Workspace versions and keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

# The version that engines, deliver and web live by; absent before the first publication.
LIVE_VERSION = "live_version"
# Keys that one role sets and others read: JSON {"reachable", "reason"}, and "1" while stopped.
MAIL_STATUS = "mail_status"
SENDING_STOPPED = "sending_stopped"
# JSON {"at", "sources": {name: how it is doing}}, set by the role that reads queues.
SOURCES_STATUS = "sources_status"
# JSON {"offset", "since", "files", "events", "bytes", "place", "problem"} of the lake, set by who
# brings it up.
LAKE_STATUS = "lake_status"
# After a restore: what is due by this instant (microseconds UTC) waits to be released.
HOLD_UNTIL = "hold_until"


class ControlStore(Protocol):
    """Small, shared by all roles: content-addressed workspace versions, keys, switches."""

    def save_version(self, version: str, files: Mapping[str, str], created_at: int) -> None:
        """Keep the files (path -> text) of a version; known versions are left alone."""
        ...

    def load_version(self, version: str) -> dict[str, str]:
        """Return the files of a version.

        Raises:
            KeyError: no such version.
        """
        ...

    def versions(self) -> list[tuple[str, int]]:
        """Return (version, created_at) in order of publication."""
        ...

    def get(self, name: str) -> str | None:
        """Return a named value: live_version, workspace_problems, sending_stopped, ..."""
        ...

    def set(self, name: str, value: str) -> None:
        """Store a named value, durably."""
        ...

    def named(self, prefix: str) -> dict[str, str]:
        """Return the named values whose names begin so."""
        ...

    def remove(self, name: str) -> None:
        """Remove a named value, durably."""
        ...

    def key_role(self, key: str) -> str | None:
        """Return "write" or "admin" for a known key, else None (keys are stored hashed)."""
        ...

    def add_key(self, key: str, role: str) -> None:
        """Store a key's hash with its role."""
        ...
