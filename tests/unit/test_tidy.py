"""The repository keeps its own rules: sizes, words, calls that the core must not make."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import tailorbird

REPOSITORY = Path(__file__).resolve().parents[2]
SOURCES = REPOSITORY / "src" / "tailorbird"
CORE = (
    "base",
    "events",
    "language",
    "workspace",
    "profiles",
    "segments",
    "scoring",
    "content",
    "delivery",
    "journeys",
    "reducer",
)
MODULE_LINES_MAX = 500
FUNCTION_LINES_MAX = 60
KINDS_OF_CHANGE = ("added", "changed", "deprecated", "removed", "fixed", "security")

# Longer than the rule allows, each with its present size. This list may only shrink.
LONG_MODULES: dict[str, int] = {}
LONG_FUNCTIONS: dict[str, int] = {}

FORBIDDEN_IN_CORE = re.compile(
    r"\bdatetime\.(now|utcnow|today)\(|\bdate\.today\(|\btime\.(time|monotonic|perf_counter)\("
    r"|\buuid[1-7]?\(|\brandom\.|\bos\.environ\b|(?<![\w.])(open|print|input)\("
)
BARE_TODO = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b(?!\(#\d+\):)")
MACHINE_PATH = re.compile(r"(?<![\w.])/(work|home|root|Users)/\w|--index-url|\bfile:///")


def python_files(*folders: str) -> list[Path]:
    return [
        path
        for folder in folders
        for path in sorted((REPOSITORY / folder).rglob("*.py"))
        if ".venv" not in path.parts
    ]


def text_files() -> Iterator[Path]:
    endings = {".py", ".md", ".toml", ".yaml", ".json", ".sql", ".html", ".css", ".js", ".txt", ""}
    for top in ("src", "tests", "benchmarks", "docs", "examples", ".ci", "changes"):
        for path in sorted((REPOSITORY / top).rglob("*")):
            if path.is_file() and path.suffix in endings and path.stat().st_size < 500_000:
                yield path
    # In a worktree `.git` is a file that names the place of the repository.
    yield from (p for p in sorted(REPOSITORY.glob("*")) if p.is_file() and p.name != ".git")


def name_of(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


def test_modules_are_short() -> None:
    long = {
        name_of(path): count
        for path in python_files("src", "tests", "benchmarks")
        if (count := path.read_text(encoding="utf-8").count("\n")) > MODULE_LINES_MAX
    }
    assert {name: count for name, count in long.items() if count > LONG_MODULES.get(name, 0)} == {}
    assert set(LONG_MODULES) <= set(long), "an offender got short: take it from the list"


def test_functions_are_short() -> None:
    long = {}
    for path in python_files("src"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                # A docstring may be long: a command's is its help.
                start = node.body[min(1, len(node.body) - 1)] if ast.get_docstring(node) else node
                count = (node.end_lineno or node.lineno) - start.lineno + 1
                if count > FUNCTION_LINES_MAX:
                    long[f"{name_of(path)}:{node.name}"] = count
    assert {
        name: count for name, count in long.items() if count > LONG_FUNCTIONS.get(name, 0)
    } == {}
    assert set(LONG_FUNCTIONS) <= set(long), "an offender got short: take it from the list"


def test_modules_begin_with_what_is_in_them() -> None:
    for path in python_files("src", "tests", "benchmarks"):
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text)
        if not text.strip():
            continue
        assert ast.get_docstring(tree), f"{name_of(path)} has no docstring"
        if path.name != "__init__.py":
            assert "from __future__ import annotations" in text, name_of(path)


def test_no_module_is_named_after_nothing() -> None:
    for path in python_files("src"):
        assert path.stem not in {"utils", "util", "helpers", "helper", "common", "manager", "misc"}


@pytest.mark.parametrize("package", CORE)
def test_the_core_reads_no_clock_and_draws_no_lots(package: str) -> None:
    for path in sorted((SOURCES / package).rglob("*.py")):
        code = without_texts(path.read_text(encoding="utf-8"))
        found = FORBIDDEN_IN_CORE.search(code)
        assert found is None, f"{name_of(path)} calls {found and found[0]}"


def without_texts(source: str) -> str:
    """Return code without its texts and comments, which may name what must not be called."""

    class Blank(ast.NodeTransformer):
        def visit_Constant(self, node: ast.Constant) -> ast.Constant:
            return ast.Constant("") if isinstance(node.value, str) else node

        def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.Constant:
            return ast.Constant("")

    return ast.unparse(Blank().visit(ast.parse(source)))


def test_what_is_to_be_done_points_at_an_issue() -> None:
    for path in python_files("src", "tests", "benchmarks"):
        if path == Path(__file__):
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            assert not BARE_TODO.search(line), f"{name_of(path)}:{number} {line.strip()}"


def test_nothing_names_a_place_on_one_machine() -> None:
    for path in text_files():
        if path == Path(__file__):
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found = MACHINE_PATH.search(text)
        assert found is None, f"{name_of(path)} names {found and found[0]}"


def test_the_version_is_the_same_everywhere() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == tailorbird.__version__


def test_every_dependency_says_why() -> None:
    text = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    listed = text[text.index("dependencies = [") : text.index("]\n\n[project.optional")]
    for line in listed.splitlines()[1:]:
        if line.strip().startswith('"'):
            assert "# " in line, f"{line.strip()} does not say why it is there"


def test_change_notes_have_a_kind() -> None:
    for path in sorted((REPOSITORY / "changes").glob("*.md")):
        if path.name == "README.md":
            continue
        first, *rest = path.read_text(encoding="utf-8").splitlines()
        assert first.removeprefix("kind: ") in KINDS_OF_CHANGE, name_of(path)
        assert any(line.strip() for line in rest), f"{name_of(path)} says nothing"
