"""The data folder as the reading commands see it: opened for reading, no server needed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tailorbird import bootstrap
from tailorbird.base.names import nearest
from tailorbird.base.time import format_micros
from tailorbird.cli.output import OUTSIDE, Failure
from tailorbird.ports.clock import Clock
from tailorbird.ports.control_store import ControlStore
from tailorbird.ports.identity_store import IdentityStore
from tailorbird.ports.state_store import StateStore
from tailorbird.profiles.state import ProfileState, decode
from tailorbird.reducer.reducer import Reducer
from tailorbird.workspace.definitions import SegmentDefinition, Workspace

_MERGES_MAX = 100


@dataclass(slots=True, kw_only=True)
class Reading:
    """What a data folder knows, as its live version of the workspace sees it."""

    control: ControlStore
    identity: IdentityStore
    states: list[StateStore]
    clock: Clock
    workspace: Workspace

    def profile_id(self, reference: str) -> int:
        """Find a person by `p_...`, by KIND:VALUE, or by a bare user id.

        Raises:
            Failure: nobody is known under it.
        """
        found: int | None = None
        kind, colon, value = reference.partition(":")
        if reference.startswith("p_") and not colon:
            found = self._by_public_id(reference)
        elif colon:
            found = self.identity.find(kind, value)
        else:
            found = self.identity.find("user_id", reference)
        if found is None:
            raise Failure(
                f"nobody is known as `{reference}`",
                "Write KIND:VALUE, such as user_id:17850 or email:ada@shop.example.",
            )
        return found

    def _by_public_id(self, reference: str) -> int | None:
        try:
            number = int(reference.removeprefix("p_"), 16)
        except ValueError:
            return None
        return self.identity.resolve(number)

    def state(self, profile_id: int) -> ProfileState | None:
        """Return a person's state; of somebody merged away, the winner's."""
        for _ in range(_MERGES_MAX):
            found = self._state(profile_id)
            if found is None or not found.merged_into:
                return found
            profile_id = found.merged_into
        return None

    def _state(self, profile_id: int) -> ProfileState | None:
        for store in self.states:
            data = store.profiles([profile_id]).get(profile_id)
            if data is not None:
                return decode(data)
        return None

    def profile(self, reference: str) -> dict[str, Any]:
        """Return all that is known of a person in plain JSON values.

        Raises:
            Failure: nobody is known under this reference, or the engines have not come to it yet.
        """
        state = self.state(self.profile_id(reference))
        if state is None:
            raise Failure(
                f"`{reference}` is known, but nothing about it has been reduced yet",
                "Is the server running? It takes a moment after the first event.",
            )
        reducer = Reducer(self.workspace)
        now = self.clock.now()
        seen = reducer.snapshot(state, now)
        next_asked = dict(reducer.next_changes(state))
        return {
            "id": public_id(state.profile_id),
            "identifiers": [
                {"kind": kind, "value": value}
                for kind, value in self.identity.identifiers(state.profile_id)
            ],
            "traits": seen["traits"],
            "segments": sorted(seen["segments"]),
            "memberships": [
                {
                    "name": name,
                    "since": format_micros(since),
                    "next_check": format_micros(next_asked[name]) if name in next_asked else None,
                }
                for name, since in sorted(seen["segments"].items())
            ],
            "scores": seen["scores"],
            "consents": seen["consents"],
            "created_at": format_micros(seen["created_at"]),
            "updated_at": format_micros(seen["updated_at"]),
        }

    def segment(self, name: str) -> SegmentDefinition:
        """Return the live definition of a segment.

        Raises:
            Failure: there is none of this name.
        """
        found = self.workspace.segments.get(name)
        if found is None:
            close = nearest(name, self.workspace.segments)
            raise Failure(
                f"there is no segment `{name}`",
                f"Did you mean `{close}`?" if close else "`tailorbird segment list` shows all.",
            )
        return found

    def sizes(self) -> dict[str, int]:
        """Return the number of members of every segment."""
        sizes = dict.fromkeys(self.workspace.segments, 0)
        for store in self.states:
            for name, size in store.segment_sizes().items():
                if name in sizes:
                    sizes[name] += size
        return sizes

    def members(self, name: str, after: int, limit: int) -> list[tuple[int, int]]:
        """Return (profile id, since) of members in rising order of id."""
        found = [one for store in self.states for one in store.members(name, after, limit)]
        return sorted(found)[:limit]


def public_id(profile_id: int) -> str:
    """Return the id of a profile as the outside sees it."""
    return f"p_{profile_id:016x}"


@contextmanager
def open_reading(data: Path) -> Iterator[Reading]:
    """Open a data folder for reading.

    Raises:
        Failure: it is no data folder, or nothing has been published in it yet.
    """
    if not (data / "control.db").is_file() or not (data / "identity.db").is_file():
        raise Failure(
            f"{data} is no data folder of a server",
            "Give the one that `tailorbird serve --data` was given.",
            code=OUTSIDE,
        )
    with ExitStack() as open_things:
        control = open_things.enter_context(closing(bootstrap.open_control(data)))
        identity = open_things.enter_context(closing(bootstrap.open_identity(data)))
        states: list[StateStore] = []
        for path in sorted((data / "state").glob("*.db"), key=lambda one: int(one.stem)):
            store = open_things.enter_context(closing(bootstrap.open_state(data, int(path.stem))))
            states.append(store)
        version = control.get("live_version")
        if version is None:
            raise Failure(
                "nothing has been published in this data folder yet",
                "Start `tailorbird serve` on it once.",
            )
        kind = "simulated" if (data / "clock").is_file() else "system"
        yield Reading(
            control=control,
            identity=identity,
            states=states,
            clock=bootstrap.open_clock(data, kind),
            workspace=bootstrap.workspace_loader(control)(version),
        )
