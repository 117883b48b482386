"""The written pages: links resolve, commands exist, expressions and workspaces are sound."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
import yaml

from tailorbird.cli.app import _COMMANDS, run
from tailorbird.language import parse
from tailorbird.language.reference import expressions_page
from tailorbird.workspace.loader import parse_workspace

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "examples").rglob("*.md"),
    ]
)
_LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
_FENCED = re.compile(r"```yaml\n(.*?)```", re.DOTALL)
_COMMAND = re.compile(r"(?:\.venv/bin/)?tailorbird ([a-z][a-z-]*)\b")


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_resolve(page: Path) -> None:
    for target in _LINK.findall(page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{name_of(page)} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_exist(page: Path) -> None:
    known = {name for name, *_ in _COMMANDS}
    for line in page.read_text().splitlines():
        if not line.startswith(("    ", "`tailorbird")):
            continue
        for command in _COMMAND.findall(line):
            assert command in known, f"{name_of(page)}: tailorbird {command}"


def test_the_readmes_definitions_are_a_sound_workspace() -> None:
    blocks = _FENCED.findall((ROOT / "README.md").read_text())
    files = {block.split("\n", 1)[0].removeprefix("# "): block for block in blocks}
    assert set(files) == {"segments/lapsed.yaml", "journeys/win-back.yaml"}
    files["templates/win-back.liquid"] = "---\nsubject: Hello\n---\n<p>Hello</p>\n"
    workspace, problems = parse_workspace(files)
    assert workspace is not None, problems


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_segments_in_the_pages_parse(page: Path) -> None:
    for block in _FENCED.findall(page.read_text()):
        found = yaml.safe_load(block)
        if isinstance(found, dict) and "when" in found:
            # A source's condition looks at one message.
            parse(found["when"], in_where="kind" in found)


def test_the_page_of_expressions_is_fresh() -> None:
    page = ROOT / "docs" / "reference" / "expressions.md"
    if os.environ.get("UPDATE_DOCS"):
        page.write_text(expressions_page(), encoding="utf-8")
    assert page.read_text(encoding="utf-8") == expressions_page(), (
        "renew it: UPDATE_DOCS=1 .venv/bin/pytest tests/unit/test_docs.py"
    )


def test_the_examples_of_the_page_of_expressions_parse() -> None:
    text = expressions_page()
    examples = [line.strip() for line in text.splitlines() if line.startswith("    ")]
    examples = [example for example in examples if not example.startswith("20")]
    assert len(examples) >= 5
    for example in examples:
        parse(example)


def test_help_is_there_for_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    for name, *_ in _COMMANDS:
        assert run([name, "--help"]) == 0
        assert "Usage" in capsys.readouterr().out
