"""The demo's mails: whole with everything known, and without a gap where much is missing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tailorbird.content.render import check_template, renderer_of
from tailorbird.delivery.links import LinkSigner
from tailorbird.workspace.loader import parse_workspace

SHOP = Path(__file__).parent.parent.parent / "examples" / "shop"
UNSUBSCRIBE = "https://robinandwren.example/u/token"
NAMES = ("welcome", "thanks", "win-back", "cross-sell")
ORDER = {
    "order_id": "536365",
    "revenue": 139.12,
    "currency": "GBP",
    "line_count": 7,
    "products": [
        {"product_id": "85123A", "name": "WHITE <HEART>", "quantity": 6, "price": 2.55},
        {"product_id": "71053", "name": "METAL LANTERN", "quantity": 6, "price": 3.39},
    ],
}


@pytest.fixture(scope="module")
def templates() -> Any:
    files = {
        str(path.relative_to(SHOP)): path.read_text()
        for path in sorted(SHOP.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }
    workspace, problems = parse_workspace(files)
    assert workspace is not None, problems
    return workspace.templates


def scope(traits: dict[str, Any], properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "traits": traits,
        "event": {"name": "order_completed", "properties": properties},
        "segments": ["vip"],
        "scores": {},
        "links": {"unsubscribe_url": UNSUBSCRIBE},
        "workspace": {"name": "Robin & Wren", "postal_address": "12 Nesting Lane"},
    }


@pytest.mark.parametrize("name", NAMES)
def test_all_is_said_with_everything_known(templates: Any, name: str) -> None:
    assert check_template(templates[name]) == []
    found = renderer_of(templates[name]).render(
        scope({"first_name": "Ada", "country": "France"}, ORDER)
    )
    assert (found.missing, found.fallbacks) == ((), ())
    for part in (found.html, found.text):
        assert UNSUBSCRIBE in part
        assert "12 Nesting Lane" in part
        assert "{%" not in part
    assert found.preheader


@pytest.mark.parametrize("name", NAMES)
def test_no_gap_shows_where_much_is_missing(templates: Any, name: str) -> None:
    found = renderer_of(templates[name]).render(scope({}, {}))
    assert found.fallbacks == ()
    for text in (found.subject, found.preheader, found.text):
        assert not re.search(r"  |\bover\s*\.|,\s*[.:!]|Total\s*$", text, re.M)


@pytest.mark.parametrize("name", ["welcome", "cross-sell"])
def test_what_was_bought_is_listed_and_escaped(templates: Any, name: str) -> None:
    html = renderer_of(templates[name]).render(scope({}, ORDER)).html
    assert "White &lt;heart&gt;" in html
    assert "£2.55" in html
    assert "<heart>" not in html


@pytest.mark.parametrize("name", NAMES)
def test_every_link_of_the_shop_is_tracked_and_the_way_out_is_not(
    templates: Any, name: str
) -> None:
    html = renderer_of(templates[name]).render(scope({}, ORDER)).html
    tracked = LinkSigner("https://robinandwren.example", b"k" * 32, "e", 1).track(html)
    links = re.findall(r'<a\b[^>]*href="([^"]+)"', tracked)
    assert len(links) == 2
    assert [link for link in links if "/t/c/" not in link] == [UNSUBSCRIBE]
    assert tracked.count("/t/o/") == 1
