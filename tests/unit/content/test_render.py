"""Templates: escaping, missing values, fallbacks, the plain-text part."""

from __future__ import annotations

import pytest

from tailorbird.content.render import Renderer, RenderProblem, check_template
from tailorbird.workspace.definitions import TemplateDefinition


def template(body: str, **changes: str) -> TemplateDefinition:
    values = {"subject": "Hello", "preheader": "", "body_kind": "html", **changes}
    return TemplateDefinition(name="t", body=body, **values)  # type: ignore[arg-type]


def test_values_are_escaped_in_html_and_not_in_the_subject() -> None:
    made = Renderer(template("<p>{{ traits.name }}</p>", subject="Hi {{ traits.name }}"))
    found = made.render({"traits": {"name": "A & <b>"}})
    assert "<p>A &amp; &lt;b&gt;</p>" in found.html
    assert found.subject == "Hi A & <b>"
    assert "A & <b>" in found.text


def test_a_missing_value_prints_nothing_and_is_noted() -> None:
    found = Renderer(template("<p>Hi {{ traits.name }}!</p>")).render({"traits": {}})
    assert "<p>Hi !</p>" in found.html
    assert found.missing == ("traits.name",)


def test_a_default_stands_in_and_nothing_is_noted() -> None:
    made = Renderer(template("<p>Hi {{ traits.name | default: 'there' }}</p>"))
    found = made.render({"traits": {}})
    assert "Hi there" in found.html
    assert found.missing == ()


def test_a_part_that_fails_is_left_out_and_the_record_says_so() -> None:
    made = Renderer(template("<p>Price {{ 5 | divided_by: traits.zero }} end</p>"))
    found = made.render({"traits": {"zero": 0}})
    assert "end</p>" in found.html
    assert found.fallbacks[0].startswith("body: ")


def test_an_endless_template_gives_way_to_its_text() -> None:
    body = "{% for a in (1..9999) %}{% for b in (1..9999) %}x{% endfor %}{% endfor %}"
    with pytest.raises(RenderProblem):
        Renderer(template(body)).render({})
    found = Renderer(template(body, text="Hello {{ traits.name }}")).render(
        {"traits": {"name": "<Ada>"}}
    )
    assert "<p>Hello &lt;Ada&gt;" in found.html
    assert "the plain text stands in" in found.fallbacks[0]


def test_an_empty_subject_gives_way_to_the_workspaces_name() -> None:
    made = Renderer(template("<p>x</p>", subject="{{ traits.x }}"))
    assert made.render({"traits": {}, "workspace": {"name": "Shop"}}).subject == "Shop"


def test_a_subject_is_one_line() -> None:
    made = Renderer(template("<p>x</p>", subject="{{ traits.x }}"))
    assert made.render({"traits": {"x": "a\r\nBcc: b"}}).subject == "a Bcc: b"


def test_the_text_part_keeps_links_and_leaves_the_hidden_out() -> None:
    body = (
        "<head><style>p{}</style></head><body><h1>Hi {{ traits.name }}</h1><p>One&nbsp;two"
        "<br>three <a href='https://x.example/{{ traits.id }}'>look</a></p>"
        "<div style='display:none'>no</div><ul><li>a</li><li>b</li></ul></body>"
    )
    found = Renderer(template(body, preheader="before")).render(
        {"traits": {"name": "Ada", "id": 5}}
    )
    assert found.text == "Hi Ada\n\nOne two\nthree look (https://x.example/5)\n\n- a\n- b\n"
    assert "before" in found.html


def test_mjml_is_compiled_with_its_liquid_intact() -> None:
    body = "<mjml><mj-body><mj-section><mj-column><mj-text>Hi {{ traits.name }}</mj-text></mj-column></mj-section></mj-body></mjml>"  # noqa: E501
    found = Renderer(template(body, body_kind="mjml")).render({"traits": {"name": "Ada"}})
    assert "Hi Ada" in found.html
    assert "mj-text" not in found.html


@pytest.mark.parametrize("body", ["{% if x %}", "{{ x | no_such_filter }}", "{{ x"])
def test_faults_are_found_before_anything_is_sent(body: str) -> None:
    (problem, *_) = check_template(template(f"<p>\n{body}</p>"))
    assert problem.mend
    assert "body" in problem.message


@pytest.mark.parametrize(
    ("amount", "currency", "shown"),
    [(12.5, "GBP", "£12.50"), (-1234.5, "EUR", "-€1,234.50"), ("x", "GBP", ""), (3, "JPY", "¥3")],
)
def test_money(amount: object, currency: str, shown: str) -> None:
    made = Renderer(template("{{ traits.a | money: traits.c }}"))
    assert made.render({"traits": {"a": amount, "c": currency}}).html == shown
