"""The published JSON Schemas say what the loader says, about good files and bad keys alike."""

from __future__ import annotations

import json
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tailorbird.workspace.definitions import Workspace
from tailorbird.workspace.kinds import (
    interest,
    journey,
    schema,
    score,
    segment,
    settings_table,
    source,
    template,
)
from tailorbird.workspace.loader import parse_workspace

REPOSITORY = Path(__file__).resolve().parents[3]
SCHEMAS = files("tailorbird.workspace") / "schemas"
SCAFFOLD = REPOSITORY / "src/tailorbird/workspace/scaffold"
KIND_OF_FOLDER = {
    "segments": "segment",
    "scores": "score",
    "interests": "interest",
    "journeys": "journey",
    "sources": "source",
}

WORKSPACES = [
    SCAFFOLD,
    *(one.parent for one in sorted(REPOSITORY.glob("examples/*/tailorbird.toml"))),
]


def schema_of(kind: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((SCHEMAS / f"{kind}.json").read_text(encoding="utf-8"))
    return found


def documents(folder: Path) -> list[tuple[str, str, Any]]:
    """Return (kind, path, content as an editor sees it) of the files of a workspace."""
    found = []
    for path in sorted(one for one in folder.rglob("*") if one.is_file()):
        name = path.relative_to(folder).as_posix()
        if name == "tailorbird.toml":
            found.append(("settings", name, tomllib.loads(path.read_text(encoding="utf-8"))))
        elif name == "schema.yaml":
            found.append(("schema", name, yaml.safe_load(path.read_text(encoding="utf-8"))))
        elif name.split("/")[0] in KIND_OF_FOLDER:
            kind = KIND_OF_FOLDER[name.split("/")[0]]
            found.append((kind, name, yaml.safe_load(path.read_text(encoding="utf-8"))))
        elif name.startswith("templates/"):
            front = path.read_text(encoding="utf-8").split("---\n")[1]
            found.append(("template", name, yaml.safe_load(front)))
    return found


def loaded(folder: Path) -> Workspace:
    texts = {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }
    workspace, problems = parse_workspace(texts)
    assert workspace is not None, [one.render() for one in problems]
    assert [one.render() for one in problems if one.file.startswith("segments")] == []
    return workspace


@pytest.mark.parametrize("folder", WORKSPACES, ids=lambda folder: folder.name)
def test_workspaces_of_the_repository_fulfil_schemas_and_loader(folder: Path) -> None:
    assert loaded(folder).segments
    for kind, name, content in documents(folder):
        errors = [
            f"{name}: {error.message}"
            for error in jsonschema.Draft202012Validator(schema_of(kind)).iter_errors(content)
        ]
        assert errors == []


@pytest.mark.parametrize(
    "kind", ["segment", "score", "journey", "template", "schema", "settings", "source"]
)
def test_schemas_are_schemas_and_describe_every_key(kind: str) -> None:
    found = schema_of(kind)
    jsonschema.Draft202012Validator.check_schema(found)
    assert found["additionalProperties"] is False
    for key, part in found["properties"].items():
        assert "description" in part or "properties" in part or "$ref" in part, key


@pytest.mark.parametrize(
    ("kind", "keys"),
    [
        ("segment", segment.KEYS),
        ("score", score.KEYS),
        ("interest", interest.KEYS),
        ("journey", journey.KEYS),
        ("template", template.KEYS),
        ("schema", schema.KEYS),
        ("source", source.KEYS),
    ],
)
def test_schemas_know_the_keys_that_the_loader_knows(kind: str, keys: tuple[str, ...]) -> None:
    assert sorted(schema_of(kind)["properties"]) == sorted(keys)


def test_the_schema_of_steps_knows_the_keys_that_the_loader_knows() -> None:
    steps = schema_of("journey")["$defs"]["step"]["oneOf"]
    keys = {key for step in steps for key in step["properties"]}
    assert keys == set(journey.STEP_KEYS)


def test_the_schema_of_settings_knows_the_settings_that_the_loader_knows() -> None:
    properties = schema_of("settings")["properties"]
    names = set()
    for key, part in properties.items():
        inner = part.get("properties")
        names |= {f"{key}.{one}" for one in inner} if inner else {key}
    assert names == {setting.name for setting in settings_table.SETTINGS}


BAD = [
    ("segment", "segments/a.yaml", "when: any(a)\nwen: x\n"),
    ("score", "scores/a.yaml", "value: count(a)\nhalflife: 3d\n"),
    ("score", "scores/a.yaml", "points: [{event: a, points: 1, wher: x}]\n"),
    ("score", "scores/a.yaml", "value: count(a)\npoints: [{event: a, points: 1}]\n"),
    ("journey", "journeys/a.yaml", "enter: {event: a, segmnt: x}\nsteps: [{id: a, wait: 1d}]\n"),
    ("journey", "journeys/a.yaml", "enter: {event: a}\nsteps: [{id: a, wait: 1d, kind: x}]\n"),
    ("journey", "journeys/a.yaml", "enter: {event: a}\nsteps: [{wait: 1d}]\n"),
    ("journey", "journeys/a.yaml", "enter: {event: a}\nsteps: [{id: a, wait: soon}]\n"),
    ("journey", "journeys/a.yaml", "enter: {event: a}\nsteps: []\n"),
    ("schema", "schema.yaml", "events: {a: {props: {}}}\n"),
    ("schema", "schema.yaml", "traits: {a: text}\n"),
    ("source", "sources/a.yaml", "kind: redis\nurl: redis://h\n"),
    ("source", "sources/a.yaml", "kind: redis\nurl: redis://h\nstream: s\nqueue: q\n"),
    ("source", "sources/a.yaml", "kind: mqtt\nurl: redis://h\nstream: s\n"),
    ("source", "sources/a.yaml", "kind: webhook\n"),
    ("source", "sources/a.yaml", "kind: webhook\nsecret: ${A}\nmap: {user: a}\n"),
]


@pytest.mark.parametrize(("kind", "file", "text"), BAD)
def test_both_refuse_the_same(kind: str, file: str, text: str) -> None:
    assert parse_workspace({file: text})[0] is None
    validator = jsonschema.Draft202012Validator(schema_of(kind))
    assert list(validator.iter_errors(yaml.safe_load(text)))
