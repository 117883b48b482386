"""Publishing: what the workspace's files say becomes live, or the old version stays and says why.

A version is kept in the control store under its content hash before anything refers to it; then
one `activate` record a partition makes it live. What was begun is noted, so after a crash between
the steps the next publication ends it first: the engines may live by it already.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from tailorbird import __version__
from tailorbird.base.hashing import hash64
from tailorbird.base.problems import OperationalError, Problem
from tailorbird.content.render import check_template
from tailorbird.events.event import (
    ACTIVATE,
    PARTITIONS,
    REFOLD,
    UNMERGE,
    Activate,
    Refold,
    Unmerge,
    encode,
    partition_of,
)
from tailorbird.ports.control_store import LIVE_VERSION, ControlStore
from tailorbird.ports.event_log import Draft
from tailorbird.ports.log_writer import RETRY, LogWriter
from tailorbird.services.filling_status import BEGUN, CANCEL
from tailorbird.services.versions import is_live, next_version
from tailorbird.workspace.definitions import Workspace
from tailorbird.workspace.loader import parse_workspace

PROBLEMS = "workspace_problems"
PUBLICATIONS = "publication_count"
# What went live when: a JSON list of [version, microseconds UTC], oldest first.
LIVED = "live_history"
_LIVED_MAX = 100

_ATTEMPTS_MAX = 20
_PAUSE_SECONDS = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """What a publication came to. `version` is the live one, None where nothing is live yet.

    `is_new` says that this publication made it live; `problems` are those of the files offered.
    """

    version: str | None
    is_new: bool
    problems: tuple[Problem, ...] = ()

    @property
    def is_broken(self) -> bool:
        """Tell whether the files offered cannot go live."""
        return any(problem.severity == "error" for problem in self.problems)


def checked_workspace(
    files: Mapping[str, str],
) -> tuple[Workspace | None, list[Problem]]:
    """Read a workspace and look into everything, the Liquid of its templates included."""
    return parse_workspace(files, check_template=check_template)


def waits_for_apply(files: Mapping[str, str]) -> bool:
    """Say whether these definitions go live by `tailorbird apply` only, not when they are saved."""
    workspace, _ = parse_workspace(files)
    return workspace is not None and not workspace.settings.publishes_on_save


def lived_versions(control: ControlStore) -> list[tuple[str, int]]:
    """Return what went live when, oldest first: (version, microseconds UTC)."""
    return [(version, at) for version, at in json.loads(control.get(LIVED) or "[]")]


async def _no_preparing(version: str) -> str:
    return ""


Check = Callable[[Mapping[str, str]], tuple[Workspace | None, list[Problem]]]


class Publisher:
    """Makes the versions of one workspace live, one after the other."""

    def __init__(
        self,
        control: ControlStore,
        writer: LogWriter,
        *,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        check: Check = checked_workspace,
        prepare: Callable[[str], Awaitable[str]] = _no_preparing,
    ) -> None:
        """`check` reads the files; `pause` waits some seconds for a busy log.

        `prepare` folds what a version needs of history before it goes live, and returns the name of
        the file, empty where the engines can do it themselves. It may raise `OperationalError`:
        then the version does not go live.
        """
        self._control = control
        self._writer = writer
        self._pause = pause
        self._check = check
        self._prepare = prepare

    async def publish(
        self, files: Mapping[str, str], unreadable: Sequence[Problem] = ()
    ) -> Publication:
        """Make these files live where they are sound; else keep what is live and store why.

        Args:
            files: Path -> text of all definitions.
            unreadable: Faults found while reading the files; they keep the version from going
                live as well.

        Raises:
            OperationalError: the log does not take the records; the call may be repeated.
        """
        workspace, found = self._check(files)
        problems = (*unreadable, *found)
        if begun := self._control.get(BEGUN):
            await self._make_live(begun)
        live = self._control.get(LIVE_VERSION)
        is_broken = any(problem.severity == "error" for problem in problems)
        if workspace is None or is_broken or is_live(self._control, live, files):
            self._store_problems(problems)
            return Publication(version=live, is_new=False, problems=problems)
        version, carried = next_version(self._control, live, files, workspace)
        self._control.save_version(version, carried, await self._writer.now())
        self._control.set(CANCEL, "")
        filling = await self._prepare(version)
        await self._make_live(version, filling)
        self._store_problems(problems)
        return Publication(version=version, is_new=True, problems=problems)

    async def recompute(self) -> str:
        """Let all profiles be made anew from their events by the live definitions, quietly.

        Returns:
            The live version.

        Raises:
            OperationalError: nothing is live yet, or the log does not take the records.
        """
        live = self._control.get(LIVE_VERSION)
        if live is None:
            raise OperationalError("nothing has been published yet", is_retry_safe=True)
        await self._activate(live, is_recompute=True)
        return live

    async def refold(self, profile_id: int, reason: str) -> None:
        """Let one profile be made anew from its events by the live definitions, quietly.

        Raises:
            OperationalError: the log does not take the record.
        """
        body = encode(Refold(reason))
        await self._append([Draft(partition_of(profile_id), REFOLD, profile_id, body)])

    async def unmerge(self, undone: Unmerge) -> None:
        """Let two people be two again: both are made anew, quietly.

        Raises:
            OperationalError: the log does not take the records.
        """
        people = (undone.winner_id, undone.loser_id)
        body = encode(undone)
        await self._append([Draft(partition_of(one), UNMERGE, one, body) for one in people])

    async def _make_live(self, version: str, filling: str = "") -> None:
        self._control.set(BEGUN, version)
        await self._activate(version, filling=filling)
        self._note_lived(version, await self._writer.now())
        self._control.set(LIVE_VERSION, version)
        self._control.set(BEGUN, "")

    async def look(
        self, files: Mapping[str, str], unreadable: Sequence[Problem] = ()
    ) -> Publication:
        """Only note what is wrong with these files; `tailorbird apply` makes them live."""
        _, found = self._check(files)
        if begun := self._control.get(BEGUN):
            await self._make_live(begun)
        problems = (*unreadable, *found)
        self._store_problems(problems)
        live = self._control.get(LIVE_VERSION)
        return Publication(version=live, is_new=False, problems=problems)

    def _note_lived(self, version: str, at: int) -> None:
        lived = lived_versions(self._control)
        before = self._control.get(LIVE_VERSION)
        if not lived and before is not None:
            lived = [one for one in self._control.versions() if one[0] == before]
        if not lived or lived[-1][0] != version:
            self._control.set(LIVED, json.dumps([*lived, (version, at)][-_LIVED_MAX:]))

    def _store_problems(self, problems: Sequence[Problem]) -> None:
        text = json.dumps([problem.to_json() for problem in problems], ensure_ascii=False)
        if self._control.get(PROBLEMS) != text:
            self._control.set(PROBLEMS, text)

    async def _activate(
        self, version: str, *, is_recompute: bool = False, filling: str = ""
    ) -> None:
        body = encode(Activate(version, __version__, is_recompute, filling))
        # The number makes going back to an earlier version a new activation, while offering the
        # same one again after a broken connection stays one. The clock could stand still.
        number = int(self._control.get(PUBLICATIONS) or 0) + 1
        self._control.set(PUBLICATIONS, str(number))
        waiting = [
            Draft(
                partition=partition,
                kind=ACTIVATE,
                profile_id=0,
                body=body,
                dedup=hash64("activate", version, number, partition),
            )
            for partition in range(PARTITIONS)
        ]
        await self._append(waiting)

    async def _append(self, waiting: list[Draft]) -> None:
        for _ in range(_ATTEMPTS_MAX):
            answers = await self._writer.append(waiting)
            waiting = [
                draft
                for draft, answer in zip(waiting, answers, strict=True)
                if answer.status == RETRY
            ]
            if not waiting:
                return
            await self._pause(_PAUSE_SECONDS)
        raise OperationalError(
            f"the log did not take {len(waiting)} records; try it again",
            is_retry_safe=True,
        )
