"""The identity rules of a published version, for those who decode events and those who append them.

Who is who is decided before the log, once: rules that change later concern what comes later.
"""

from __future__ import annotations

import time

from tailorbird.events.identifiers import BLOCKED_VALUES, DEFAULT_RULES, IdentityRules
from tailorbird.ports.control_store import ControlStore
from tailorbird.workspace.definitions import WorkspaceSettings
from tailorbird.workspace.kinds.settings import read_settings
from tailorbird.workspace.source import Source

SETTINGS_FILE = "tailorbird.toml"


def rules_of(settings: WorkspaceSettings) -> IdentityRules:
    """Return the rules that settings ask for; a limit of 0 makes a kind identify nobody."""
    return IdentityRules(
        limits={
            "user_id": 1,
            "external_id": settings.external_ids_max,
            "anonymous_id": settings.anonymous_ids_max,
            "email": settings.emails_max,
            "phone": settings.phones_max,
            "device": settings.devices_max,
        },
        blocked={"": BLOCKED_VALUES | frozenset(settings.blocked_identifiers)},
    )


def rules_of_version(control: ControlStore, version: str) -> IdentityRules:
    """Return the rules of a published version; only its settings are read, nothing is compiled.

    A version that was never published here, and one without settings, has the default rules.
    """
    try:
        text = control.load_version(version)[SETTINGS_FILE]
    except KeyError:
        return DEFAULT_RULES
    return rules_of(read_settings(Source(SETTINGS_FILE, text)))


class LiveRules:
    """The rules of the live version, read anew when another one becomes live.

    `version` is the one that they were read of, None before the first.
    """

    def __init__(self, control: ControlStore, *, look_seconds: float = 0.0) -> None:
        """`look_seconds` is how long the answer holds before the store is asked again."""
        self._control = control
        self._look_seconds = look_seconds
        self._until = 0.0
        self.version: str | None = None
        self._rules = DEFAULT_RULES

    def __call__(self) -> IdentityRules:
        """Return the rules that hold now."""
        now = time.monotonic()
        if now < self._until:
            return self._rules
        self._until = now + self._look_seconds
        version = self._control.get("live_version")
        if version is not None and version != self.version:
            self._rules = rules_of_version(self._control, version)
            self.version = version
        return self._rules
