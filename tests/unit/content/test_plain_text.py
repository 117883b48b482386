"""The plain-text part: what a reader without HTML gets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailorbird.content.plain_text import plain_text


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>One</p><p>Two</p>", "One\n\nTwo\n"),
        ("<p>a &amp; b &lt;c&gt; &pound;5</p>", "a & b <c> £5\n"),
        ('<a href="https://x.example/">https://x.example/</a>', "https://x.example/\n"),
        ('<a href="https://x.example/"><img src="i.png"></a>', "https://x.example/\n"),
        ('<p><a href="{{ links.url }}">Go</a></p>', "Go ({{ links.url }})\n"),
        ("<style>p{}</style><script>x</script><p>Hi</p>", "Hi\n"),
        ('<div style="display: none">secret</div><p>Hi</p>', "Hi\n"),
        ("<ul><li>a</li><li>b</li></ul>", "- a\n- b\n"),
        ("<p>a<br>b</p>", "a\nb\n"),
        ("<p>open <b>tags", "open tags\n"),
        ("</p></b>closed", "closed\n"),
        ("", "\n"),
    ],
)
def test_text_of(html: str, text: str) -> None:
    assert plain_text(html) == text


@given(st.text(st.sampled_from('<>/ab"=&; \n'), max_size=80))
def test_any_markup_gives_some_text(html: str) -> None:
    assert plain_text(html).endswith("\n")
