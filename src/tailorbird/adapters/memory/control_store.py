"""Workspace versions, keys and switches as dictionaries."""

from __future__ import annotations

from collections.abc import Mapping


class MemoryControlStore:
    """Lost with the process."""

    def __init__(self) -> None:
        self._versions: dict[str, tuple[dict[str, str], int]] = {}
        self._settings: dict[str, str] = {}
        self._keys: dict[str, str] = {}

    def save_version(self, version: str, files: Mapping[str, str], created_at: int) -> None:
        """Keep the files of a version."""
        self._versions.setdefault(version, (dict(files), created_at))

    def load_version(self, version: str) -> dict[str, str]:
        """Return the files of a version."""
        return dict(self._versions[version][0])

    def versions(self) -> list[tuple[str, int]]:
        """Return (version, created_at) in order of publication."""
        pairs = [(version, created_at) for version, (_, created_at) in self._versions.items()]
        return sorted(pairs, key=lambda pair: pair[1])

    def get(self, name: str) -> str | None:
        """Return a named value."""
        return self._settings.get(name)

    def set(self, name: str, value: str) -> None:
        """Store a named value."""
        self._settings[name] = value

    def named(self, prefix: str) -> dict[str, str]:
        """Return the named values whose names begin so."""
        return {name: value for name, value in self._settings.items() if name.startswith(prefix)}

    def remove(self, name: str) -> None:
        """Remove a named value."""
        self._settings.pop(name, None)

    def key_role(self, key: str) -> str | None:
        """Return the role of a key."""
        return self._keys.get(key)

    def add_key(self, key: str, role: str) -> None:
        """Store a key with its role."""
        self._keys[key] = role
