"""Assembled messages read back by the standard library say what went in."""

from __future__ import annotations

from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailorbird.base.time import parse_micros
from tailorbird.delivery.assemble import Envelope, assemble

WORDS = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=120)


def made(**changes: object) -> EmailMessage:
    values: dict[str, object] = {
        "message_id": "ab12@shop.example",
        "date": parse_micros("2026-03-01T12:00:00.5Z"),
        "from_name": "Robin & Wren",
        "from_address": "hello@shop.example",
        "to_address": "ada@shop.example",
        "subject": "Hello",
        "text": "Hello\n",
        "html": "<p>Hello</p>\n",
    }
    data = assemble(Envelope(**{**values, **changes}))  # type: ignore[arg-type]
    assert all(len(line) <= 998 for line in data.split(b"\r\n"))
    assert b"\n" not in data.replace(b"\r\n", b"")
    parsed = message_from_bytes(data, policy=policy.default)
    assert isinstance(parsed, EmailMessage)
    assert not parsed.defects
    return parsed


@given(subject=WORDS, name=WORDS)
def test_any_subject_and_name_come_back(subject: str, name: str) -> None:
    parsed = made(subject=subject, from_name=name)
    assert " ".join(str(parsed["subject"]).split()) == " ".join(subject.split())
    assert parsed["from"].addresses[0].addr_spec == "hello@shop.example"


@given(body=st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\r\x00")))
def test_any_body_comes_back(body: str) -> None:
    parsed = made(html=body, text=body)
    part = parsed.get_body(("html",))
    assert part is not None
    assert part.get_payload(decode=True) == body.replace("\n", "\r\n").encode()


@pytest.mark.parametrize("field", ["subject", "from_name", "to_name", "reply_to", "to_address"])
def test_no_value_becomes_a_header_of_its_own(field: str) -> None:
    parsed = made(**{field: "x@y.example\r\nBcc: thief@evil.example"})
    assert parsed["bcc"] is None


def test_dates_and_ids_are_those_of_the_message() -> None:
    parsed = made(headers=[("List-Unsubscribe", "<https://x.example/u/1>")])
    assert parsed["date"] == "Sun, 01 Mar 2026 12:00:00 +0000"
    assert parsed["message-id"] == "<ab12@shop.example>"
    assert parsed["list-unsubscribe"] == "<https://x.example/u/1>"


def test_a_domain_beyond_ascii_is_written_as_servers_read_it() -> None:
    assert made(to_address="ada@bücher.example")["to"] == "ada@xn--bcher-kva.example"


def test_a_surrogate_half_breaks_nothing() -> None:
    assert made(subject="a\ud800b", text="\ud800", html="\ud800", from_name="\ud800")["subject"]
