"""What the files of a workspace become."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tailorbird.base.numbers import SCALE
from tailorbird.base.time import DAY, Duration
from tailorbird.language.parser import parse
from tailorbird.workspace.definitions import (
    Branch,
    JourneyDefinition,
    Send,
    TemplateDefinition,
    Unless,
    Wait,
    Workspace,
)
from tailorbird.workspace.loader import parse_workspace, version_of

MINIMAL_TEMPLATE = "---\nsubject: Hi\n---\nbody\n"


def workspace_of(files: dict[str, str]) -> Workspace:
    workspace, problems = parse_workspace(files)
    assert workspace is not None, [one.render() for one in problems]
    return workspace


def journey_of(text: str) -> JourneyDefinition:
    files = {
        "segments/vip.yaml": "when: any(a)\n",
        "templates/hello.html": MINIMAL_TEMPLATE,
        "journeys/j.yaml": text,
    }
    return workspace_of(files).journeys["j"]


def test_a_segment_needs_only_its_condition() -> None:
    segment = workspace_of({"segments/big-spenders.yaml": "when: any(a)\n"}).segments[
        "big-spenders"
    ]
    assert segment.when == parse("any(a)")
    assert segment.text == "any(a)"
    assert segment.title == "Big spenders"


def test_points_are_scaled_and_events_compared_in_snake_case() -> None:
    text = "points:\n - {event: Order Completed, points: -2.5, where: total > 1}\nhalf_life: 2w\n"
    score = workspace_of({"scores/heat.yaml": text}).scores["heat"]
    row = score.points[0]
    assert (row.event, row.points) == ("order_completed", -5 * SCALE // 2)
    assert row.where == parse("total > 1", in_where=True)
    assert score.half_life == Duration(micros=14 * DAY)


def test_a_score_may_be_an_expression() -> None:
    score = workspace_of({"scores/n.yaml": "value: count(a) * 2\n"}).scores["n"]
    assert score.value == parse("count(a) * 2")
    assert score.points == ()


def test_all_kinds_of_steps() -> None:
    journey = journey_of(
        """
        title: All
        enter: {event: Order Completed, where: "event.properties.total > 50"}
        key: event.properties.order_id
        reentry: 30d
        exit: any(b within 1d)
        freshness: 2h
        steps:
          - {id: pause, wait: 3d}
          - {id: morning, wait: {until: 09:00}}
          - {id: skip-vips, unless: "in segment('vip')"}
          - id: big
            if: event.properties.total > 100
            then: [{id: a, send: hello}]
            else: [{id: b, send: hello, kind: transactional, expires: 1h, topic: news}]
        """.replace("\n        ", "\n")
    )
    assert journey.trigger.event == "order_completed"
    assert journey.trigger.where_text == "event.properties.total > 50"
    assert journey.key == ("properties", "order_id")
    assert journey.reentry == Duration(micros=30 * DAY)
    assert journey.exit == parse("any(b within 1d)")
    assert journey.freshness == Duration(micros=DAY // 12)
    pause, morning, skip, big = journey.steps
    assert pause == Wait(id="pause", duration=Duration(micros=3 * DAY))
    assert morning == Wait(id="morning", until_minute=540)
    assert skip == Unless(
        id="skip-vips", condition=parse("in segment('vip')"), text="in segment('vip')"
    )
    assert isinstance(big, Branch)
    assert big.then == (Send(id="a", template="hello"),)
    assert big.otherwise == (
        Send(
            id="b",
            template="hello",
            kind="transactional",
            topic="news",
            expires_after=Duration(micros=DAY // 24),
        ),
    )


def test_reentry_is_always_unless_said_otherwise() -> None:
    steps = "steps: [{id: a, send: hello}]\n"
    assert journey_of(f"enter: {{event: a}}\n{steps}").reentry == "always"
    assert journey_of(f"enter: {{segment: vip}}\n{steps}").reentry == "always"
    assert journey_of(f"enter: {{segment: vip}}\nreentry: once\n{steps}").reentry == "once"


def test_the_topic_of_transactional_mail_is_not_marketing() -> None:
    journey = journey_of("enter: {event: a}\nsteps: [{id: a, send: hello, kind: transactional}]\n")
    assert journey.steps[0] == Send(
        id="a", template="hello", kind="transactional", topic="transactional"
    )


def test_words_that_yaml_would_change_stay_as_written() -> None:
    files = {"segments/a.yaml": "title: no\ndescription: 1e3\nwhen: true\n"}
    segment = workspace_of(files).segments["a"]
    assert (segment.title, segment.description, segment.text) == ("no", "1e3", "true")


def test_a_template_is_front_matter_and_body() -> None:
    text = (
        "---\nsubject: 'Hi {{ traits.x }}'\npreheader: p\nfrom: Shop <a@b.example>\n"
        "reply_to: c@b.example\ntext: |\n  plain\n---\n<p>\n---\n</p>\n"
    )
    template = workspace_of({"templates/t.mjml": text}).templates["t"]
    assert template == TemplateDefinition(
        name="t",
        subject="Hi {{ traits.x }}",
        preheader="p",
        body="<p>\n---\n</p>\n",
        body_kind="mjml",
        text="plain\n",
        from_name="Shop",
        from_address="a@b.example",
        reply_to="c@b.example",
        path="templates/t.mjml",
        body_line=9,
    )


def test_lists_leave_out_comments_and_repetitions() -> None:
    lists = workspace_of({"lists/x.txt": "# why\n\n b \na\nb\nZu\u0308rich"}).lists
    assert lists["x"] == ("b", "a", "Zürich")


def test_settings_have_defaults_and_are_read() -> None:
    assert workspace_of({}).settings.marketing_per_day == 1
    text = (
        'name = "Shop"\nbase_url = "https://x.example/"\n[mail]\nquiet_from = "21:30"\n'
        'quiet_until = "08:00"\ndemands_consent = false\n[sandbox]\nis_on = true\n'
        'addresses = ["a@b.example"]\n'
    )
    settings_read = workspace_of({"tailorbird.toml": text}).settings
    assert settings_read.base_url == "https://x.example"
    assert (settings_read.quiet_from_minute, settings_read.quiet_until_minute) == (1290, 480)
    assert settings_read.sandbox_addresses == ("a@b.example",)
    assert not settings_read.demands_consent


def test_the_version_follows_the_definitions_only() -> None:
    files = {"segments/a.yaml": "when: any(a)\n", "README.md": "x"}
    version = workspace_of(files).version
    assert version == workspace_of({**files, "README.md": "y", ".git/x": "z"}).version
    assert version != workspace_of({**files, "segments/a.yaml": "when: any(b)\n"}).version
    assert version != workspace_of({"segments/b.yaml": "when: any(a)\n"}).version
    assert len(version_of({})) == 32


def test_faults_of_templates_come_from_the_check_that_is_handed_in() -> None:
    from tailorbird.base.problems import Problem

    bad = Problem(message="bad", file="templates/t.html", line=4, column=2)
    _, problems = parse_workspace(
        {"templates/t.html": MINIMAL_TEMPLATE}, check_template=lambda template: [bad]
    )
    assert problems == [bad]


FILES = (
    "tailorbird.toml",
    "schema.yaml",
    "segments/a.yaml",
    "scores/a.yaml",
    "journeys/a.yaml",
    "templates/a.liquid",
    "lists/a.txt",
)
WORDS = st.sampled_from(
    [
        "when:",
        "value:",
        "points:",
        "steps:",
        "enter:",
        "{event:",
        "id:",
        "send:",
        "wait:",
        "if:",
        "then:",
        "-",
        "[",
        "]",
        "{",
        "}",
        "'",
        '"',
        "|",
        ">",
        ",",
        ":",
        "#",
        "---",
        "&",
        "*",
        "!",
        "any(a)",
        "3d",
        "\n",
        "\n\n",
        "[mail]",
        "=",
        "smtp_url",
        "name",
        "true",
        "null",
        "in",
        "segment('a')",
        "score('a')",
    ]
)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(FILES),
    st.one_of(st.text(max_size=60), st.lists(WORDS, max_size=20).map(" ".join)),
)
def test_any_text_gives_problems_or_a_workspace(file: str, text: str) -> None:
    workspace, problems = parse_workspace({file: text})
    assert (workspace is None) == any(one.severity == "error" for one in problems)
    lines = text.replace("\r\n", "\n").split("\n")
    for problem in problems:
        if problem.line:
            assert lines[problem.line - 1] == problem.excerpt
            assert 1 <= problem.column <= len(problem.excerpt) + 1
