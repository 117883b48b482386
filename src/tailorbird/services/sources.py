"""The sources of the live version, and how those that are read are doing."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any
from urllib.parse import quote

from tailorbird.ports.control_store import SOURCES_STATUS, ControlStore
from tailorbird.ports.source import Secrets, SourceProblem
from tailorbird.services.pull import WAITING, PullStatus
from tailorbird.workspace.definitions import SourceDefinition
from tailorbird.workspace.kinds.source import placeholders, read_source, with_secrets
from tailorbird.workspace.source import Source

WEBHOOK = "webhook"
# A process of sources that reported nothing for so long is taken for dead.
SILENT_SECONDS = 20.0
_FOLDER = "sources/"


def sources_of_version(control: ControlStore, version: str) -> dict[str, SourceDefinition]:
    """Return the sources of a published version; only their files are read."""
    try:
        files = control.load_version(version)
    except KeyError:
        return {}
    found = {}
    for path, text in files.items():
        name = path.removeprefix(_FOLDER).rpartition(".")[0]
        if path.startswith(_FOLDER) and "/" not in name:
            definition = read_source(Source(path, text), name)
            if definition is not None:
                found[name] = definition
    return found


class LiveSources:
    """The sources of the live version, read anew when another one becomes live."""

    def __init__(self, control: ControlStore) -> None:
        self._control = control
        self._version: str | None = None
        self._sources: dict[str, SourceDefinition] = {}

    def __call__(self) -> Mapping[str, SourceDefinition]:
        """Return all sources that hold now."""
        version = self._control.get("live_version")
        if version is not None and version != self._version:
            self._sources = sources_of_version(self._control, version)
            self._version = version
        return self._sources

    def queues(self) -> dict[str, SourceDefinition]:
        """Return those that are read; webhooks call by themselves."""
        return {name: one for name, one in self().items() if one.kind != WEBHOOK}


def url_of(definition: SourceDefinition, secret_of: Secrets) -> str:
    """Return a source's URL with its secrets.

    Raises:
        SourceProblem: an environment variable is not set.
    """
    # Before the host a secret may hold any character; a host or a whole URL is taken as it is.
    user, at, host = definition.url.rpartition("@")
    return f"{_filled(definition, user, secret_of, is_quoted=True)}{at}" + _filled(
        definition, host, secret_of
    )


def secret_of(definition: SourceDefinition, secrets: Secrets) -> str:
    """Return what a webhook's sender signs with.

    Raises:
        SourceProblem: the environment variable is not set.
    """
    return _filled(definition, definition.secret, secrets)


def _filled(
    definition: SourceDefinition, text: str, secret_of: Secrets, *, is_quoted: bool = False
) -> str:
    found: dict[str, str] = {}
    for name in placeholders(text):
        value = secret_of(name)
        if not value:
            raise SourceProblem(
                f"the environment variable {name} is not set; sources/{definition.name}.yaml"
                f" wants it: set it where `tailorbird serve` is started, and start it again",
                is_retry_safe=False,
            )
        found[name] = quote(value, safe="") if is_quoted else value
    return with_secrets(text, found)


def report(control: ControlStore, statuses: Mapping[str, PullStatus], at: float) -> None:
    """Leave for /health how all sources are doing; `at` is in seconds of the machine's clock."""
    said = {name: asdict(one) for name, one in statuses.items()}
    control.set(SOURCES_STATUS, json.dumps({"at": at, "sources": said}))


def status_of_queues(
    control: ControlStore, live: LiveSources, wall: Callable[[], float]
) -> dict[str, dict[str, Any]]:
    """Return how each queue of the live version is doing."""
    wanted = live.queues()
    if not wanted:
        return {}
    told: dict[str, Any] = json.loads(control.get(SOURCES_STATUS) or '{"at": 0, "sources": {}}')
    seconds = wall() - told["at"]
    is_silent = seconds > SILENT_SECONDS
    found: dict[str, dict[str, Any]] = {}
    for name, definition in wanted.items():
        known = told["sources"].get(name)
        if known is None:
            known = asdict(PullStatus(definition.kind, reason="not read yet"))
        if is_silent:
            known |= {
                "state": WAITING,
                "reason": "the process that reads sources does not run",
                "is_connected": False,
            }
        found[name] = known
    return found
