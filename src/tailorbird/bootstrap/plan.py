"""Plans: gathers from a data folder what `services.plan` tells of a change."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from tailorbird.base.problems import OperationalError, Problem
from tailorbird.base.time import DAY
from tailorbird.bootstrap.backtest import run_backtest
from tailorbird.bootstrap.stores import (
    clock_kind,
    copy_state,
    open_clock,
    open_control,
    open_identity,
    open_log,
)
from tailorbird.journeys.asking import walk
from tailorbird.ports.control_store import LIVE_VERSION, ControlStore
from tailorbird.ports.state_store import StateStore
from tailorbird.reducer.reducer import Reducer
from tailorbird.services.forecast import forecast
from tailorbird.services.plan import Findings, plan_of
from tailorbird.services.template_trial import try_templates
from tailorbird.services.versions import draft_version, load_workspace
from tailorbird.workspace.definitions import Send, Workspace
from tailorbird.workspace.differences import FORWARD, NONE, Difference, differences
from tailorbird.workspace.former import own_files

# What can change which messages leave.
_LEADING = frozenset({"segment", "score", "interest", "list", "journey", "setting"})


def make_plan(
    data: Path,
    workspace: Workspace,
    files: Mapping[str, str],
    problems: Sequence[Problem],
    *,
    past_days: int = 14,
    tell: Callable[[str], None] = lambda doing: None,
) -> dict[str, Any]:
    """Tell what these definitions would do if they went live in a data folder now.

    Args:
        data: Read only; a server may run on it.
        workspace: What the files say.
        files: Path -> text, sound.
        problems: Warnings about them.
        past_days: Of how many days before now to tell the messages; 0 leaves that out.
        tell: Told what is being done, in words.

    Raises:
        OperationalError: nothing is live there yet.
    """
    with tempfile.TemporaryDirectory(prefix="tailorbird-plan-") as folder, ExitStack() as things:
        control = things.enter_context(closing(open_control(data)))
        log = things.enter_context(closing(open_log(data)))
        identity = things.enter_context(closing(open_identity(data)))
        base = control.get(LIVE_VERSION)
        if base is None:
            raise OperationalError(
                "nothing has been published in this data folder yet", is_retry_safe=True
            )
        tell("copying the states")
        stores: list[StateStore] = [
            # A copy stands still while the server goes on.
            things.enter_context(closing(copy_state(data, int(path.stem), Path(folder))))
            for path in sorted((data / "state").glob("*.db"), key=lambda one: int(one.stem))
        ]
        now = max(open_clock(data, clock_kind(data)).now(), log.last_now())
        live, draft, version = _reducers(control, base, files, workspace)
        changed = differences(live.workspace, workspace)
        tell("asking everybody")
        found = forecast(log, stores, live, draft, now)
        tell("trying the templates")
        trials = try_templates(_touched_templates(workspace, changed), draft, stores, log, now)
        past = past_before = None
        if past_days and any(one.kind in _LEADING and one.reach != NONE for one in changed):
            before = own_files(control.load_version(base))
            begin = now - past_days * DAY
            tell(f"living the last {past_days} days again")
            past = run_backtest(data, files, begin, now)
            past_before = run_backtest(data, before, begin, now)
        return plan_of(
            Findings(
                base=base,
                version=version,
                offset=min((store.offset() for store in stores), default=0),
                now=now,
                differences=changed,
                files_before=own_files(control.load_version(base)),
                files=files,
                forecast=found,
                problems=problems,
                trials=trials,
                past_days=past_days,
                past=past,
                past_before=past_before,
            ),
            identity.identifiers,
        )


def _reducers(
    control: ControlStore, base: str, files: Mapping[str, str], workspace: Workspace
) -> tuple[Reducer, Reducer, str]:
    live = Reducer(load_workspace(control, base))
    draft = draft_version(control, base, files, workspace)
    return live, Reducer(draft), draft.version


def _touched_templates(workspace: Workspace, changed: Sequence[Difference]) -> set[str]:
    """Return the templates that changed, and those of journeys that did."""
    found = {one.name for one in changed if one.kind == "template" and one.reach == FORWARD}
    for one in changed:
        if one.kind == "journey" and one.name in workspace.journeys and one.reach == FORWARD:
            found |= _sent_by(workspace, one.name)
    return found & workspace.templates.keys()


def _sent_by(workspace: Workspace, journey: str) -> set[str]:
    steps = walk(workspace.journeys[journey].steps)
    return {step.template for step in steps if isinstance(step, Send)}
