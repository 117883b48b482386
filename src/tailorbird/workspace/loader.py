"""From the files of a workspace to its definitions: one pure function, all faults together.

`kinds` reads each file, `checking` holds them against one another; here they are joined.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tailorbird.base.hashing import hash_text
from tailorbird.base.names import nearest
from tailorbird.base.problems import Problem
from tailorbird.language import tree
from tailorbird.language.needs import PointsScore
from tailorbird.workspace import checking, layout, names
from tailorbird.workspace.compiling import check_compiled
from tailorbird.workspace.definitions import (
    InterestDefinition,
    JourneyDefinition,
    ScoreDefinition,
    ScorePoints,
    SegmentDefinition,
    TemplateDefinition,
    Trigger,
    Workspace,
    WorkspaceSettings,
)
from tailorbird.workspace.expressions import Expression
from tailorbird.workspace.kinds.interest import InterestFile, read_interest
from tailorbird.workspace.kinds.journey import JourneyFile, read_journey
from tailorbird.workspace.kinds.listing import read_list
from tailorbird.workspace.kinds.schema import read_schema
from tailorbird.workspace.kinds.score import ScoreFile, read_score
from tailorbird.workspace.kinds.segment import SegmentFile, read_segment
from tailorbird.workspace.kinds.settings import read_settings
from tailorbird.workspace.kinds.template import read_template
from tailorbird.workspace.sections import Scalar
from tailorbird.workspace.source import Source

TemplateCheck = Callable[[TemplateDefinition], list[Problem]]


def parse_workspace(
    files: Mapping[str, str],
    *,
    check_template: TemplateCheck | None = None,
    version: str | None = None,
) -> tuple[Workspace | None, list[Problem]]:
    """Read a workspace from its files.

    Args:
        files: Path relative to the workspace folder (with `/`) -> text. Files that are no
            definitions are left alone.
        check_template: Looks into the Liquid of a template (`content.check_template`); without it
            only the front matter is checked.
        version: Its name where it is published already; else the hash of its content.

    Returns:
        The workspace, or None where any problem is an error; and all problems, warnings included,
        in the order of files and places.
    """
    reading = _Reading()
    for path in sorted(files):
        reading.read(path, files[path])
    _check(reading, check_template)
    problems = sorted(reading.problems(), key=lambda one: (one.file, one.line, one.column))
    if any(problem.severity == "error" for problem in problems):
        return None, problems
    return _build(reading, version or version_of(files)), problems


def version_of(files: Mapping[str, str]) -> str:
    """Return the content hash that names a version: the same definitions, the same version."""
    parts: list[str] = ["workspace"]
    for path in sorted(files):
        if _is_definition(path):
            parts += [path, files[path]]
    return hash_text(*parts)


def _is_definition(path: str) -> bool:
    return path in layout.FILES or _place(path) is not None


def _place(path: str) -> tuple[str, str, str] | None:
    """Return (folder, name, ending) of a path where it is a definition's."""
    folder, _, file = path.partition("/")
    stem, _, ending = file.rpartition(".")
    if folder in layout.ENDINGS and "/" not in file and ending in layout.ENDINGS[folder] and stem:
        return folder, stem, ending
    return None


@dataclass(slots=True)
class _Reading:
    """All files as read, before they are held against one another."""

    sources: list[Source] = field(default_factory=list)
    settings: WorkspaceSettings = field(default_factory=WorkspaceSettings)
    schema: dict[str, Any] = field(default_factory=dict)
    segments: dict[str, SegmentFile | None] = field(default_factory=dict)
    scores: dict[str, ScoreFile | None] = field(default_factory=dict)
    interests: dict[str, InterestFile | None] = field(default_factory=dict)
    journeys: dict[str, JourneyFile | None] = field(default_factory=dict)
    templates: dict[str, TemplateDefinition | None] = field(default_factory=dict)
    lists: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _origins: dict[tuple[str, str], str] = field(default_factory=dict)
    _more: list[Problem] = field(default_factory=list)

    def problems(self) -> list[Problem]:
        """Return everything noted so far."""
        noted = [problem for source in self.sources for problem in source.problems]
        return [*noted, *self._more]

    def add(self, problem: Problem) -> None:
        """Note a problem found by somebody else."""
        self._more.append(problem)

    def source(self, path: str) -> Source | None:
        """Return the source of a path."""
        return next((one for one in self.sources if one.path == path), None)

    def read(self, path: str, text: str) -> None:
        """Read one file, whatever it is."""
        source = Source(path, text.replace("\r\n", "\n"))
        self.sources.append(source)
        if path == "tailorbird.toml":
            self.settings = read_settings(source)
            return
        if path == "schema.yaml":
            self.schema = read_schema(source)
            return
        place = _place(path)
        if place is None:
            _warn_of_stray(source)
            return
        folder, name, ending = place
        if not names.is_name(name):
            source.note(f"`{name}` cannot be the name of a definition", names.RULE)
        other = self._origins.setdefault((folder, name), path)
        if other != path:
            source.note(
                f"`{name}` is defined twice: here and in {other}",
                "Rename or delete one of the two.",
            )
            return
        self._read_definition(source, folder, name, ending)

    def _read_definition(self, source: Source, folder: str, name: str, ending: str) -> None:
        match folder:
            case "segments":
                self.segments[name] = read_segment(source, name)
            case "scores":
                self.scores[name] = read_score(source, name)
            case "interests":
                self.interests[name] = read_interest(source, name)
            case "journeys":
                self.journeys[name] = read_journey(source, name)
            case "templates":
                self.templates[name] = read_template(source, name, ending)
            case _:
                self.lists[name] = read_list(source)


def _warn_of_stray(source: Source) -> None:
    """Warn of files that look like definitions but are not read."""
    folder, _, rest = source.path.partition("/")
    if folder in layout.ENDINGS and rest:
        if "/" in rest:
            mend = f"Move it up into {folder}/."
        else:
            endings = ", ".join(f".{ending}" for ending in layout.ENDINGS[folder])
            mend = f"Files in {folder}/ end with {endings}."
        source.note("this file is not read", mend, is_warning=True)
        return
    close = nearest(folder, layout.FOLDERS if rest else layout.FILES)
    if close is not None and source.path.endswith((".yaml", ".yml", ".toml")):
        source.note("this file is not read", f"Did you mean {close}?", is_warning=True)


def _check(reading: _Reading, check_template: TemplateCheck | None) -> None:
    known = _names(reading)
    has_cycles = checking.check_cycles(known)
    rows = [row for score in reading.scores.values() if score is not None for row in score.points]
    rows += [row for one in reading.interests.values() if one is not None for row in one.rows]
    for row in rows:
        _warn_of_event(row.event, row.event_scalar, known)
    for expression in _all_expressions(reading):
        before = expression.fault_count
        checking.check_types(expression, known, has_cycles=has_cycles)
        is_sound = expression.fault_count == before
        if is_sound and not has_cycles and checking.is_whole(expression, known):
            check_compiled(expression, known)
    for journey in reading.journeys.values():
        if journey is not None:
            _check_journey(reading, journey, known)
    if check_template is not None:
        for template in reading.templates.values():
            for problem in check_template(template) if template is not None else ():
                reading.add(problem)


def _names(reading: _Reading) -> checking.Names:
    return checking.Names(
        segments={
            name: [one.when] if one is not None and one.when is not None else []
            for name, one in reading.segments.items()
        },
        scores={name: _score_expressions(one) for name, one in reading.scores.items()},
        interests={name: one.weights for name, one in reading.interests.items() if one is not None},
        lists=reading.lists,
        segment_nodes={
            name: one.when.node
            for name, one in reading.segments.items()
            if one is not None and one.when is not None
        },
        score_nodes={
            name: _compiled(one) for name, one in reading.scores.items() if one is not None
        },
        schema=reading.schema,
        currencies=reading.settings.currencies,
    )


def _warn_of_event(event: str, scalar: Scalar, known: checking.Names) -> None:
    if checking.is_stranger(event, known):
        mend = checking.stranger_hint(event, known)
        scalar.note(f"unknown event `{event}`", mend, is_warning=True)


def _compiled(score: ScoreFile) -> tree.Node | PointsScore:
    if score.value is not None:
        return score.value.node
    return PointsScore(
        points=tuple(
            (row.event, row.points, row.where.node if row.where is not None else None)
            for row in score.points
        ),
        half_life=(score.half_life.micros or None) if score.half_life is not None else None,
        fades_over=(score.linear_decay.micros or None) if score.linear_decay is not None else None,
        cap_per_day=score.cap_per_day,
    )


def _score_expressions(score: ScoreFile | None) -> list[Expression]:
    if score is None:
        return []
    wheres = [row.where for row in score.points if row.where is not None]
    return [score.value, *wheres] if score.value is not None else wheres


def _all_expressions(reading: _Reading) -> list[Expression]:
    found = [
        segment.when
        for segment in reading.segments.values()
        if segment is not None and segment.when is not None
    ]
    for score in reading.scores.values():
        found += _score_expressions(score)
    for interest in reading.interests.values():
        found += interest.expressions if interest is not None else []
    for journey in reading.journeys.values():
        found += journey.conditions if journey is not None else []
    return found


def _check_journey(reading: _Reading, journey: JourneyFile, known: checking.Names) -> None:
    if journey.segment is not None and journey.segment.value not in reading.segments:
        name = journey.segment.value
        journey.segment.note(
            f"unknown segment `{name}`",
            f"{names.hint(name, list(reading.segments))} Or make segments/{name}.yaml.",
        )
    if journey.event_scalar is not None and journey.event is not None:
        if not journey.event:
            journey.event_scalar.note(
                "an event name needs letters", "For example `event: order_completed`."
            )
        _warn_of_event(journey.event, journey.event_scalar, known)
    for template in journey.templates:
        if template.value not in reading.templates:
            template.note(
                f"unknown template `{template.value}`",
                f"{names.hint(template.value, list(reading.templates))} "
                f"Or make templates/{template.value}.liquid.",
            )
    settings = reading.settings
    source = reading.source(f"journeys/{journey.name}.yaml")
    if journey.marketing_sends and source is not None and not settings.postal_address:
        source.note(
            "this journey sends marketing mail, but there is no postal address: such mail will "
            "be suppressed",
            "Set `postal_address` under [sender] in tailorbird.toml.",
            is_warning=True,
        )


def _build(reading: _Reading, version: str) -> Workspace:
    return Workspace(
        version=version,
        settings=reading.settings,
        segments={
            name: SegmentDefinition(
                name=name,
                title=one.title,
                description=one.description,
                when=one.when.node,
                text=one.when.text,
            )
            for name, one in reading.segments.items()
            if one is not None and one.when is not None
        },
        scores={name: _score(one) for name, one in reading.scores.items() if one is not None},
        interests={
            name: InterestDefinition(
                name=name, title=one.title, description=one.description, weights=one.weights
            )
            for name, one in reading.interests.items()
            if one is not None
        },
        journeys={name: _journey(one) for name, one in reading.journeys.items() if one is not None},
        templates={name: one for name, one in reading.templates.items() if one is not None},
        lists=reading.lists,
        schema=reading.schema,
    )


def _score(score: ScoreFile) -> ScoreDefinition:
    return ScoreDefinition(
        name=score.name,
        title=score.title,
        description=score.description,
        value=score.value.node if score.value is not None else None,
        text=score.value.text if score.value is not None else "",
        points=tuple(
            ScorePoints(
                event=row.event,
                points=row.points,
                where=row.where.node if row.where is not None else None,
            )
            for row in score.points
        ),
        half_life=score.half_life,
        linear_decay=score.linear_decay,
        cap_per_day=score.cap_per_day,
    )


def _journey(journey: JourneyFile) -> JourneyDefinition:
    trigger = Trigger(
        event=journey.event,
        where=journey.where.node if journey.where is not None else None,
        where_text=journey.where.text if journey.where is not None else "",
        segment=journey.segment.value if journey.segment is not None else None,
    )
    rest: dict[str, Any] = {}
    if journey.freshness is not None:
        rest["freshness"] = journey.freshness
    return JourneyDefinition(
        name=journey.name,
        title=journey.title,
        description=journey.description,
        trigger=trigger,
        steps=journey.steps,
        key=journey.key,
        reentry=journey.reentry,
        exit=journey.exit.node if journey.exit is not None else None,
        exit_text=journey.exit.text if journey.exit is not None else "",
        when_edited=journey.when_edited,
        **rest,
    )
