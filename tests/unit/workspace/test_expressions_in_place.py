"""An expression's fault is shown at its characters, however YAML wraps the expression."""

from __future__ import annotations

import pytest

from tailorbird.workspace.loader import parse_workspace

FORMS = {
    "plain": "when: any(a) and in segment('gone')\n",
    "after a comment": "# why\ntitle: x  # y\nwhen:   any(a) and in segment('gone')   # z\n",
    "plain over lines": "when: any(a)\n  and\n  in segment('gone')\n",
    "double quoted": "when: \"any(a) and in segment('gone')\"\n",
    "double quoted with escapes": "when: \"traits.x = '\\u00e4\\t\\\"' and in segment('gone')\"\n",
    "double quoted over lines": "when: \"any(a)\n\n  and \\\n  in segment('gone')\"\n",
    "single quoted": "when: 'traits.x = ''it'' and in segment(''gone'')'\n",
    "literal block": "when: |\n  any(a)\n\n  and in segment('gone')\n",
    "literal block, comments": "when: |-  # why\n    any(a) -- x\n    and in segment('gone')\n",
    "folded block": "title: x\nwhen: >\n  any(a)\n  and\n  in segment('gone')\n",
    "folded block, indented": "when: >2-\n    any(a)\n  and in segment('gone')\n",
    "flow": "{title: x, when: \"any(a) and in segment('gone')\"}\n",
    "wide characters": "when: traits.x = '日本語 😀' and in segment('gone')\n",
}


@pytest.mark.parametrize("form", FORMS)
def test_the_caret_stands_below_the_expression(form: str) -> None:
    text = FORMS[form]
    _, problems = parse_workspace({"segments/a.yaml": text})
    found = [one for one in problems if "gone" in one.message]
    assert len(found) == 1, [one.render() for one in problems]
    problem = found[0]
    marked = problem.excerpt[problem.column - 1 :][: problem.length]
    assert marked.replace("''", "'") == "in segment('gone')"
    assert text.split("\n")[problem.line - 1] == problem.excerpt


@pytest.mark.parametrize("form", ["plain", "literal block", "folded block", "double quoted"])
def test_a_syntax_error_at_the_very_end_stays_in_the_file(form: str) -> None:
    text = FORMS[form].replace("in segment('gone')", "count(b) >")
    _, problems = parse_workspace({"segments/a.yaml": text})
    assert len(problems) == 1
    line = text.split("\n")[problems[0].line - 1]
    assert "count(b) >" in line
    assert problems[0].column >= line.index("count") + 1
