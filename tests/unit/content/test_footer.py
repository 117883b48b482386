"""Marketing mail shows where it comes from and how to end it, whatever its template says."""

from __future__ import annotations

from tailorbird.content.footer import with_footer
from tailorbird.content.render import Rendered

URL = "https://x.example/u/abc_-"
POSTAL = "Robin & Wren, 12 Nesting Lane"


def rendered(html: str, text: str) -> Rendered:
    return Rendered(subject="s", preheader="", html=html, text=text)


def test_a_complete_mail_stays_as_it_is() -> None:
    mail = rendered(
        f"<body>Robin &amp; Wren,<br>12 <b>Nesting</b> Lane <a href='{URL}'>no more</a></body>",
        f"Robin & Wren\n12 Nesting Lane\n{URL}\n",
    )
    assert with_footer(mail, URL, POSTAL) is mail


def test_what_is_lacking_is_added_to_both_parts_and_noted() -> None:
    found = with_footer(rendered("<body><p>Hi</p></body>", "Hi\n"), URL, POSTAL)
    assert found.html.endswith("</div></body>")
    assert f'href="{URL}"' in found.html
    assert "Robin &amp; Wren, 12 Nesting Lane" in found.html
    assert found.text == f"Hi\n\n{POSTAL}\nUnsubscribe: {URL}\n"
    assert found.fallbacks == (
        "footer: the template shows no postal address and unsubscribe link, it was added",
    )


def test_only_what_is_lacking_is_added() -> None:
    found = with_footer(rendered(f"<a href='{URL}'>x</a>", f"x {URL} {POSTAL}"), URL, POSTAL)
    assert found.html.count(URL) == 1
    assert "Nesting Lane" in found.html
    assert found.text == f"x {URL} {POSTAL}"
