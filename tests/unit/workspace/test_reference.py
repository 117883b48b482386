"""The reference pages say what the code does; UPDATE_DOCS=1 renews what is written from it."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path

import yaml

from tailorbird.services.hooks import shopify, stripe, woocommerce
from tailorbird.workspace.kinds import journey, source
from tailorbird.workspace.kinds.settings_table import SETTINGS
from tailorbird.workspace.loader import parse_workspace
from tailorbird.workspace.reference import settings_page

REFERENCE = Path(__file__).resolve().parents[3] / "docs" / "reference"


def test_the_settings_page_is_fresh() -> None:
    page = REFERENCE / "settings.md"
    if os.environ.get("UPDATE_DOCS"):
        page.write_text(settings_page(), encoding="utf-8")
    assert page.read_text(encoding="utf-8") == settings_page(), (
        "renew it: UPDATE_DOCS=1 .venv/bin/pytest tests/unit/workspace/test_reference.py"
    )


def test_the_examples_of_all_settings_are_accepted() -> None:
    tables: dict[str, list[str]] = {}
    for one in SETTINGS:
        tables.setdefault(one.table, []).append(f"{one.key} = {one.example}")
    text = "\n".join(
        line
        for table, lines in tables.items()
        for line in ([f"[{table}]", *lines] if table else lines)
    )
    assert tomllib.loads(text)
    workspace, problems = parse_workspace({"tailorbird.toml": text})
    assert problems == []
    assert workspace is not None


def test_the_journeys_page_shows_a_journey_that_works() -> None:
    page = (REFERENCE / "journeys.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    yaml.safe_load(text)
    files = {
        "tailorbird.toml": '[sender]\npostal_address = "x"\n',
        "segments/lapsed.yaml": "when: since(a) > 60d\n",
        "segments/vip.yaml": "when: any(a)\n",
        "templates/win-back.liquid": "---\nsubject: x\n---\nbody\n",
        "journeys/win-back.yaml": text,
    }
    assert parse_workspace(files)[1] == []


def test_the_journeys_page_names_every_key() -> None:
    page = (REFERENCE / "journeys.md").read_text(encoding="utf-8")
    for key in (*journey.KEYS, *journey.STEP_KEYS, *journey.ENTER_KEYS, *journey.WAIT_KEYS):
        assert re.search(rf"`[^`]*\b{key}\b", page), key


def test_the_sources_in_the_pages_are_sound() -> None:
    pages = [REFERENCE / "sources.md", *sorted((REFERENCE.parent / "how-to").glob("*.md"))]
    blocks = [
        block
        for page in pages
        for block in re.findall(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
        if re.search(r"^kind: (redis|rabbitmq|nats|kafka|webhook)$", block, re.MULTILINE)
    ]
    assert len(blocks) >= 10
    for block in blocks:
        assert parse_workspace({"sources/a.yaml": block})[1] == [], block


def test_the_sources_page_names_every_key_and_topic() -> None:
    page = (REFERENCE / "sources.md").read_text(encoding="utf-8")
    words = (*source.KEYS, *source.MAP_KEYS, *source.KINDS, *source.SENDERS, *source.FORMATS)
    for word in (*words, *shopify.TOPICS, *stripe.TOPICS, *woocommerce.TOPICS):
        assert f"`{word}`" in page or re.search(rf"`[^`]*{re.escape(word)}[^`]*`", page), word
