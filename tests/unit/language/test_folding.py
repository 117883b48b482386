"""Lines of generated code: what they share, and what only looks like code."""

from __future__ import annotations

from tailorbird.language import evaluate, evaluate_streaming
from tailorbird.language.folding import read_event, settle_lines, share_cells, share_sums


def test_what_is_read_often_is_read_once() -> None:
    assert share_cells(["a = cells.get(7)", "b = cells.get(7) or cells.get(8)"]) == [
        "h7 = cells.get(7)",
        "a = h7",
        "b = h7 or cells.get(8)",
    ]
    assert share_sums(["u1 = summable(cells.get(7))"]) == [
        "s7 = summable(cells.get(7))",
        "u1 = s7",
    ]
    assert read_event(["if p.get('a') == 1: c.append(ts)", "if p.get('a') == 2: pass"]) == [
        "p = e.properties; ts = e.timestamp",
        "p0 = p.get('a')",
        "if p0 == 1: c.append(ts)",
        "if p0 == 2: pass",
    ]


def test_texts_that_look_like_code_stay_as_they_are() -> None:
    lines = ["""if p.get('a') == "p.get('a') and cells.get(7)":""", "x = 'it\\'s cells.get(7)'"]
    assert share_cells(lines) == lines
    assert read_event(lines)[-2:] == lines
    code = "p.get('a')"
    events = [
        {"event": "b", "properties": {"a": value}, "timestamp": "2026-01-01T00:00:00Z"}
        for value in (code, code, "p0")
    ]
    quoted = code.replace("'", "''")
    text = f"count(b where a = '{quoted}') + 10 * count(b where a != '{quoted}')"
    assert evaluate(text, events, "2026-01-02") == 12
    assert evaluate_streaming(text, events, "2026-01-02") == 12


def test_an_edge_settles_both_the_truth_and_the_deadline() -> None:
    never = 1 << 62
    until = settle_lines("s", "(u1 > now)", f"(u1 if u1 > now else {never})")
    since = settle_lines("s", "(u1 <= now)", f"(u1 if u1 > now else {never})")
    plain = settle_lines("s", "(u1 > now) and True", f"(u1 if u1 > now else {never})")
    assert len(until) == len(since) < len(plain)
    for lines, holds in ((until, lambda u1, now: u1 > now), (since, lambda u1, now: u1 <= now)):
        code = compile("\n".join(lines), "settle", "exec")
        for u1 in (1, 5, 9, never):
            for was in (False, True):
                for deadlines in ({}, {"s": 4}):
                    members, found, changes = {"s": 0} if was else {}, dict(deadlines), []
                    space = {"u1": u1, "now": 5, "members": members, "deadlines": found}
                    exec(code, {**space, "changes": changes})
                    assert ("s" in members) is holds(u1, 5)
                    assert changes == ([("s", holds(u1, 5))] if holds(u1, 5) is not was else [])
                    assert found == ({"s": u1} if 5 < u1 < never else {})
