"""Every fault of a workspace is found, at its place, with a mend."""

from __future__ import annotations

import pytest

from tailorbird.base.problems import Problem
from tailorbird.workspace.loader import parse_workspace

SEGMENT = "segments/vip.yaml"
SCORE = "scores/heat.yaml"
JOURNEY = "journeys/mail.yaml"
TEMPLATE = "templates/hello.liquid"
GOOD = {
    "tailorbird.toml": '[sender]\naddress = "a@b.example"\npostal_address = "1 High Street"\n',
    SEGMENT: "when: count(order_completed within 90d) >= 3\n",
    TEMPLATE: "---\nsubject: Hello\n---\n<p>Hello</p>\n",
    "lists/cities.txt": "London\nParis\n",
}


def problems_of(files: dict[str, str]) -> list[Problem]:
    return parse_workspace({**GOOD, **files})[1]


def test_a_sound_workspace_has_no_problems() -> None:
    workspace, problems = parse_workspace(GOOD)
    assert problems == []
    assert workspace is not None
    assert list(workspace.segments) == ["vip"]


@pytest.mark.parametrize("text", ["when: [a, b]\n", "when: {a: 1}\n", "when: 5\n", "wehn: x\n"])
def test_a_fault_is_told_once(text: str) -> None:
    problems = problems_of({SEGMENT: text})
    assert len(problems) == len(set(problems)) > 0


# (file, its text, the characters that the caret line marks, words of the message, of the mend)
ERRORS = [
    (SEGMENT, "wen: count(a) > 1\n", "wen", "no key `wen`", "Did you mean `when`?"),
    (SEGMENT, "title: x\n", "t", "a segment needs `when`", "For example `when:"),
    (SEGMENT, "when:\n", "w", "a segment needs `when`", "For example `when:"),
    (SEGMENT, "when: ''\n", "when", "`when` is empty", "For example"),
    (SEGMENT, "when: [a, b]\n", "[", "must be a text", "on one line"),
    (SEGMENT, "when: count(a) > 1\nwhen: count(a) > 2\n", "when", "given twice", "Keep one"),
    (SEGMENT, "when: count(a) > 1\n  x: y\n", ":", "not valid YAML", "Check indentation"),
    (SEGMENT, "- a\n", "-", "expected keys with values", "title"),
    (SEGMENT, "", "", "the file is empty", "delete the file"),
    (SEGMENT, "when: a\x07b\n", "\x07", "a character that YAML does not allow", "Remove it"),
    (SEGMENT, "when: {a: 1}\n? [x]\n: y\n", "[", "a key must be a word", "key: value"),
    (SEGMENT, "when: in segment('vpi')\n", "in segment('vpi')", "unknown segment `vpi`", "vip"),
    (SEGMENT, "when: score('heat') > 1\n", "score('heat')", "unknown score `heat`", "no score yet"),
    (
        SEGMENT,
        "when: traits.city in list('citis')\n",
        "list('citis')",
        "unknown list `citis`",
        "cities",
    ),
    (SEGMENT, "when: count(a) > '5'\n", "count(a) > '5'", "compared with a text", "quotes"),
    (SEGMENT, "when: count(a)\n", "count(a)", "not a condition", "> 0"),
    (SEGMENT, "when: event.properties.x > 1\n", "event.properties.x", "cannot be used", "last("),
    (SEGMENT, "when: hour(now) > 8\n", "hour(now)", "cannot be used in a segment", "journey"),
    (SCORE, "value: any(a)\n", "any(a)", "a number is needed", "count("),
    (SCORE, "title: x\n", "t", "either `value` or `points`", "For example"),
    (
        SCORE,
        "value: count(a)\npoints: [{event: a, points: 1}]\n",
        "value",
        "either `value` or `points`",
        "For example",
    ),
    (SCORE, "points: []\n", "points", "empty list", "at least one"),
    (SCORE, "points: {event: a}\n", "{", "must be a list", "- "),
    (SCORE, "points: [{event: a}]\n", "{", "needs `points`", "points: 10"),
    (SCORE, "points: [{event: a, points: many}]\n", "many", "is not a number", "such as 10"),
    (
        SCORE,
        "points: [{event: a, points: 1}]\nhalf_life: 1mo\n",
        "half_life",
        "cannot be counted in months",
        "30d",
    ),
    (
        SCORE,
        "points: [{event: a, points: 1}]\nhalf_life: 30 days\n",
        "30 days",
        "not a span of time",
        "30m, 24h, 3d",
    ),
    (SCORE, "value: count(a)\nhalf_life: 3d\n", "half_life", "belongs to `points`", "Remove"),
    (SCORE, "value: count(a)\ncap_per_day: 3\n", "cap_per_day", "belongs to `points`", "Remove"),
    (
        SCORE,
        "points: [{event: a, points: 1}]\nhalf_life: 3d\nlinear_decay: 3d\n",
        "linear_decay",
        "either by `half_life` or by `linear_decay`",
        "Keep one",
    ),
    (
        SCORE,
        "points: [{event: a, points: 1}]\nlinear_decay: 1mo\n",
        "linear_decay",
        "cannot be counted in months",
        "30d",
    ),
    (
        SCORE,
        "points: [{event: a, points: 1}]\ncap_per_day: 3\n",
        "cap_per_day",
        "needs points that fade",
        "half_life: 30d",
    ),
    (
        SCORE,
        "points: [{event: a, points: 1}]\nhalf_life: 3d\ncap_per_day: -3\n",
        "cap_per_day",
        "must be more than 0",
        "50",
    ),
    (JOURNEY, "steps: [{id: a, wait: 1d}]\n", "s", "a journey needs `enter`", "{segment: lapsed}"),
    (JOURNEY, "enter: {event: a}\n", "e", "a journey needs `steps`", "steps: ["),
    (
        JOURNEY,
        "enter: {event: a, segment: vip}\nsteps: [{id: a, wait: 1d}]\n",
        "{",
        "either",
        "one",
    ),
    (
        JOURNEY,
        "enter: {segment: vpi}\nsteps: [{id: a, wait: 1d}]\n",
        "vpi",
        "unknown segment",
        "`vip`",
    ),
    (
        JOURNEY,
        "enter: {segment: vip, where: 1 > 0}\nsteps: [{id: a, wait: 1d}]\n",
        "where",
        "`where` looks at an event",
        "`unless`",
    ),
    (
        JOURNEY,
        "enter: {segment: vip}\nkey: event.properties.id\nsteps: [{id: a, wait: 1d}]\n",
        "event.properties.id",
        "entered by a segment",
        "Remove it",
    ),
    (
        JOURNEY,
        "enter: {event: a}\nkey: a b\nsteps: [{id: a, wait: 1d}]\n",
        "a b",
        "not a property of the event",
        "event.properties.order_id",
    ),
    (
        JOURNEY,
        "enter: {event: a}\nreentry: often\nsteps: [{id: a, wait: 1d}]\n",
        "often",
        "`reentry` cannot be `often`",
        "`once`, `always`",
    ),
    (JOURNEY, "enter: {event: a}\nsteps: [{wait: 1d}]\n", "{", "has no `id`", "id: first-wait"),
    (
        JOURNEY,
        "enter: {event: a}\nsteps: [{id: a b, wait: 1d}]\n",
        "a b",
        "cannot be a step",
        "Use",
    ),
    (
        JOURNEY,
        "enter: {event: a}\nsteps: [{id: x, wait: 1d}, {id: x, wait: 2d}]\n",
        "x",
        "`x` is used twice",
        "an id of its own",
    ),
    (JOURNEY, "enter: {event: a}\nsteps: [{id: x}]\n", "{", "does nothing", "wait, unless, if"),
    (
        JOURNEY,
        "enter: {event: a}\nsteps: [{id: x, wait: 1d, send: hello}]\n",
        "{",
        "this one has `wait` and `send`",
        "Give one of",
    ),
    (
        JOURNEY,
        "enter: {event: a}\nsteps: [{id: x, sned: hello}]\n",
        "sned",
        "no key `sned`",
        "`send`",
    ),
    (
        JOURNEY,
        "enter: {event: a}\nsteps: [{id: x, wait: 1d, kind: marketing}]\n",
        "kind",
        "does not belong to a `wait`",
        "Remove",
    ),
    (JOURNEY, "enter: {event: a}\nsteps: [{id: x, wait: 3 days}]\n", "3 days", "not a span", "3d"),
    (JOURNEY, "enter: {event: a}\nsteps: [{id: x, wait: 0d}]\n", "0d", "no time at all", "3d"),
    (
        JOURNEY,
        "enter: {event: a}\nsteps: [{id: x, wait: '09:00'}]\n",
        "09:00",
        "not a span",
        'wait: {until: "09:00"}',
    ),
    (
        JOURNEY,
        "enter: {event: a}\nsteps: [{id: x, wait: {until: 25:00}}]\n",
        "25:00",
        "not a time of day",
        "09:00",
    ),
    (
        JOURNEY,
        "enter: {event: a}\nsteps: [{id: x, send: helo}]\n",
        "helo",
        "unknown template",
        "`hello`",
    ),
    (
        JOURNEY,
        "enter: {event: a}\nsteps: [{id: x, send: hello, kind: newsletter}]\n",
        "newsletter",
        "`kind` cannot be `newsletter`",
        "marketing, transactional",
    ),
    (
        JOURNEY,
        "enter: {event: a}\nsteps: [{id: x, unless: true}, {id: y, send: hello}]\n",
        "{",
        "never reached: `x` always ends",
        "remove what follows",
    ),
    (
        JOURNEY,
        "enter: {event: a}\nsteps: [{id: x, if: false, then: [{id: y, send: hello}]}]\n",
        "then",
        "under `then` are never reached",
        "always false",
    ),
    (
        JOURNEY,
        "enter: {event: a}\nsteps: [{id: x, if: any(b)}]\n",
        "{",
        "`if` needs `then`",
        "then: [",
    ),
    (JOURNEY, "enter: {event: a}\nsteps: []\n", "steps", "empty list", "at least one"),
    (JOURNEY, "enter: {event: '!'}\nsteps: [{id: a, wait: 1d}]\n", "!", "needs letters", "order_"),
    (TEMPLATE, "<p>Hello</p>\n", "<p>", "begins with its subject", "subject: Hello"),
    (TEMPLATE, "---\npreheader: x\n---\nbody\n", "p", "needs `subject`", "subject:"),
    (TEMPLATE, "---\nsubject: x\nsubjct: y\n---\nbody\n", "subjct", "no key `subjct`", "`subject`"),
    (TEMPLATE, "---\nsubject: x\n---\n", "", "has no body", "below the second"),
    (TEMPLATE, "---\nsubject: x\nfrom: me\n---\nbody\n", "me", "not a sender", "Corner shop <"),
    (TEMPLATE, "---\nsubject: x\nreply_to: me\n---\nbody\n", "me", "not an e-mail", "help@"),
    ("schema.yaml", "event: {}\n", "event", "no key `event`", "`events`"),
    ("schema.yaml", "events: {a: {properties: {b: text}}}\n", "b", "no known type", "string"),
    ("schema.yaml", "events: {a: {unknown: drop}}\n", "drop", "cannot be `drop`", "refuse"),
    ("schema.yaml", "traits: {a: {rule: must}}\n", "must", "cannot be `must`", "demand"),
    ("schema.yaml", "traits: {a: {rules: type}}\n", "rules", "no key `rules`", "`rule`"),
    ("schema.yaml", "unknown_events: no\n", "no", "cannot be `no`", "watch"),
    ("schema.yaml", "events: [a]\n", "[", "must hold names", "name: ..."),
    ("schema.yaml", "traits: {a: string, a: number}\n", "a", "given twice", "Keep one"),
    ("segments/v i p.yaml", "when: any(a)\n", "", "cannot be the name", "Use letters"),
    ("segments/vip.yml", "when: any(a)\n", "", "defined twice", "Rename or delete"),
    (
        "tailorbird.toml",
        "[collect]\ndefault_country = 'ZZ'\n",
        "default_country",
        "no country",
        "CH",
    ),
    ("tailorbird.toml", "[collect]\nsender_ip = 'no'\n", "sender_ip", "true or false", "sender_ip"),
    ("tailorbird.toml", "name = shop\n", "s", "not valid TOML", "double quotes"),
    ("tailorbird.toml", 'nam = "x"\n', "nam", "no key `nam`", "Did you mean `name`?"),
    ("tailorbird.toml", 'smtp_url = "x"\n', "smtp_url", "no key `smtp_url`", "under `[mail]`"),
    ("tailorbird.toml", "[mail]\nname = 'x'\n", "name", "[mail] has no key", "Move it to the top"),
    ("tailorbird.toml", "mail = 3\n", "mail", "is a table", "[mail]"),
    ("tailorbird.toml", "name = 3\n", "name", "must be a text", "Corner shop"),
    ("tailorbird.toml", 'timezone = "London"\n', "timezone", "not a time zone", "Europe/London"),
    ("tailorbird.toml", 'base_url = "shop"\n', "base_url", "not a web address", "https://"),
    (
        "tailorbird.toml",
        '[mail]\nsmtp_url = "x"\n',
        "smtp_url",
        "not an address of a mail",
        "smtp://",
    ),
    (
        "tailorbird.toml",
        "[mail]\nmarketing_per_day = 0\n",
        "marketing_per_day",
        "between 1 and",
        "= 1",
    ),
    ("tailorbird.toml", '[mail]\nquiet_from = "9pm"\n', "quiet_from", "not a time of day", "21:00"),
    (
        "tailorbird.toml",
        '[mail]\nquiet_from = "21:00"\n',
        "quiet_from",
        "needs `quiet_until`",
        "Add",
    ),
    ("tailorbird.toml", '[sender]\naddress = "me"\n', "address", "not an e-mail address", "hello@"),
    ("tailorbird.toml", "[sandbox]\naddresses = [1]\n", "addresses", "a list of texts", "me@"),
]


@pytest.mark.parametrize(("file", "text", "marked", "message", "mend"), ERRORS)
def test_a_fault_is_reported_at_its_place(
    file: str, text: str, marked: str, message: str, mend: str
) -> None:
    files = {**GOOD, file: text}
    workspace, problems = parse_workspace(files)
    assert workspace is None
    found = [one for one in problems if one.severity == "error" and message in one.message]
    assert found, [one.render() for one in problems]
    problem = found[-1]
    assert problem.file == file
    assert mend in problem.mend
    if problem.line:
        line = text.split("\n")[problem.line - 1]
        assert problem.excerpt == line
        assert line[problem.column - 1 :][: problem.length] == marked
    else:
        assert marked == ""


def test_faults_of_all_files_are_reported_together_in_order() -> None:
    problems = problems_of(
        {
            SEGMENT: "wen: x\n",
            SCORE: "title: x\n",
            JOURNEY: "enter: {event: a}\nsteps: [{wait: 1}, {send: helo}]\n",
            "tailorbird.toml": "nam = 1\n",
        }
    )
    assert [one.file for one in problems] == sorted(one.file for one in problems)
    assert {one.file for one in problems} == {SEGMENT, SCORE, JOURNEY, "tailorbird.toml"}
    assert len([one for one in problems if one.file == JOURNEY]) >= 4


@pytest.mark.parametrize(
    "text",
    [
        "a: &x [*x]\nwhen: any(b)\n",
        "when: " + "[" * 3000,
        "when: " + "[" * 60 + "]" * 60 + "\n",
        "\x00",
        "%YAML 9.9\n---\nwhen: x\n",
        "when: !!python/object/apply:os.system ['true']\n",
        "when: *nothing\n",
        "---\nwhen: any(a)\n---\nwhen: any(b)\n",
        "\ufeffwhen: x\ny: \t\n\t- z\n",
    ],
)
def test_hostile_yaml_is_a_problem_not_a_crash(text: str) -> None:
    assert any(one.severity == "error" for one in problems_of({SEGMENT: text}))


def test_an_alias_bomb_is_refused_quickly() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    problems = problems_of({SEGMENT: "\n".join(lines)})
    assert "too large or nested too deeply" in problems[0].message


def test_cycles_among_segments_and_scores_name_the_way() -> None:
    problems = problems_of(
        {
            "segments/a.yaml": "when: in segment('b')\n",
            "segments/b.yaml": "when: score('c') > 1\n",
            "scores/c.yaml": "points: [{event: x, points: 1}]\n",
            "segments/d.yaml": "when: in segment('d') and any(x)\n",
            "segments/e.yaml": "when: in segment('f')\n",
            "segments/f.yaml": "when: any(x) and in segment('e')\n",
        }
    )
    said = [one.message for one in problems]
    assert any("segment `e` -> segment `f` -> segment `e`" in one for one in said), said
    assert any("segment `d` -> segment `d`" in one for one in said), said
    assert not any("`c`" in one for one in said)


def test_warnings_do_not_keep_a_workspace_from_going_live() -> None:
    files = {
        **GOOD,
        "segments/new.yaml": "when: none(order_completed)\n",
        "segments/typo.yaml": "when: any(order_complete where totl > 3)\n",
        "segments/prop.yaml": "when: any(order_completed where totl > 3)\n",
        "segments/trait.yaml": "when: traits.citty = 'London'\n",
        "segments/notes.md": "notes\n",
        "segments/old/x.yaml": "when: any(a)\n",
        "segmnts/x.yaml": "when: any(a)\n",
        "schema.yaml": "events: {order_completed: {properties: {total: number}}}\n"
        "traits: {city: string}\n",
    }
    workspace, problems = parse_workspace(files)
    assert workspace is not None
    assert {one.severity for one in problems} == {"warning"}
    by_file = {one.file: one for one in problems}
    assert "everybody new enters at once" in by_file["segments/new.yaml"].message
    assert by_file["segments/new.yaml"].excerpt.endswith("none(order_completed)")
    assert "order_completed" in by_file["segments/typo.yaml"].mend
    assert "total" in by_file["segments/prop.yaml"].mend
    assert "city" in by_file["segments/trait.yaml"].mend
    assert ".yaml" in by_file["segments/notes.md"].mend
    assert "segments/" in by_file["segments/old/x.yaml"].mend
    assert "segments" in by_file["segmnts/x.yaml"].mend


def test_marketing_mail_without_a_postal_address_is_warned_of() -> None:
    problems = problems_of(
        {
            "tailorbird.toml": "",
            JOURNEY: "enter: {event: a}\nsteps: [{id: x, send: hello}]\n",
        }
    )
    assert [one.severity for one in problems] == ["warning"]
    assert "postal address" in problems[0].message
