"""Signed links: what they rewrite, and what a stranger cannot make of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailorbird.delivery import tokens
from tailorbird.delivery.links import LinkSigner, without_tracking
from tailorbird.delivery.tokens import Token

KEY = b"k" * 32
SIGNER = LinkSigner("https://mail.example/", KEY, "e1", 7)


def target(url: str) -> Token:
    token = tokens.read(url.rsplit("/", 1)[1].removesuffix(".gif"), KEY)
    assert token is not None
    return token


def test_web_links_are_tracked_and_lead_to_the_same_page() -> None:
    html = SIGNER.track('<body><a class="x" href="https://shop.example/a?b=1&amp;c=2">x</a></body>')
    url = html.split('href="')[1].split('"')[0]
    assert url.startswith("https://mail.example/t/c/")
    assert target(url).url == "https://shop.example/a?b=1&c=2"
    assert html.index("/t/o/") < html.index("</body>")


@pytest.mark.parametrize(
    "href", ["mailto:a@b.example", "#top", "tel:+41", "https://mail.example/u/abc", "javascript:x"]
)
def test_other_links_stay(href: str) -> None:
    html = f'<a href="{href}">x</a>'
    assert SIGNER.track(html).startswith(html)


@given(st.text(max_size=200))
def test_no_text_passes_for_a_token(text: str) -> None:
    assert tokens.read(text, KEY) is None


@given(st.integers(min_value=0), st.sampled_from("abcdefgh"))
def test_a_changed_token_is_refused(position: int, letter: str) -> None:
    good = tokens.sign(Token("c", "e1", 7, "https://shop.example/"), KEY)
    place = position % len(good)
    bad = good[:place] + letter + good[place + 1 :]
    assert (
        bad == good
        or tokens.read(bad, KEY) is None
        or tokens.read(bad, KEY) == tokens.read(good, KEY)
    )


def test_another_key_reads_nothing() -> None:
    assert tokens.read(tokens.sign(Token("o", "e", 1), KEY), b"other") is None


def test_whoever_looks_at_a_sent_mail_is_not_its_reader() -> None:
    key = b"k" * 32
    signer = LinkSigner("https://shop.example", key, "e1", 5)
    leave = signer.unsubscribe_url("ada@shop.example", "marketing")
    page = '<a href="https://shop.example/x?a=1&amp;b=2">x</a>'
    html = f'<body>{page}<a href="{leave}">leave</a></body>'
    looked_at = without_tracking(signer.track(html), key)
    assert looked_at == html.replace(leave, "#")
