"""What a hover shows: the meaning of a construct, an event's properties, a segment's condition."""

from __future__ import annotations

import re
from collections.abc import Callable

from tailorbird.editor.knowledge import Knowledge
from tailorbird.editor.place import Word, key_at, place_at, word_at
from tailorbird.language.constructs import Construct, constructs

_DURATION = re.compile(r"[0-9]+([a-z]+)")
_SEGMENT = re.compile(r"\bsegment\s*\(\s*'$")

SizeOf = Callable[[str], int | None]


def _explained() -> dict[str, Construct]:
    found: dict[str, Construct] = {}
    # What begins with a word explains it; words in the middle (`most by`) are explained after.
    for place in (0, 1):
        for construct in constructs():
            words = construct.words.split()
            for word in words[:1] if place == 0 else words[1:]:
                found.setdefault(word, construct)
    return found


EXPLAINED = _explained()


def meaning_at(
    path: str, text: str, offset: int, known: Knowledge, size_of: SizeOf
) -> tuple[str, Word] | None:
    """Return what the word at an offset means, in Markdown, with the word.

    Args:
        path: Of the file in the workspace, such as `segments/vip.yaml`.
        text: The file.
        offset: Of the pointer, in characters.
        known: The names of the workspace.
        size_of: Asks how many people a segment holds; None where nobody can tell.
    """
    word = word_at(text, offset)
    if word is None:
        return None
    folder, _, file = path.partition("/")
    if folder == "segments" and key_at(text, word) == "when":
        said = _segment(file.rpartition(".")[0], known, size_of)
    else:
        said = _in_expression(path, text, word, known, size_of)
    return (said, word) if said else None


def _in_expression(path: str, text: str, word: Word, known: Knowledge, size_of: SizeOf) -> str:
    place = place_at(text, word.start, path)
    if place is None or place.is_in_comment:
        return ""
    if _SEGMENT.search(place.before):
        return _segment(word.text, known, size_of)
    if place.is_in_text or place.before.endswith("."):
        return ""
    duration = _DURATION.fullmatch(word.text)
    construct = EXPLAINED.get(duration[1] if duration else word.text.lower())
    if construct is not None:
        gives = f" → {construct.gives}" if construct.gives else ""
        return (
            f"**{construct.words}**{gives}\n\n{construct.meaning}\n\n"
            f"    {construct.example}\n\nFor the person of the reference page: `{construct.answer}`"
        )
    event = known.events.get(word.text)
    if event is None:
        return ""
    rows = [f"- `{name}` {kind}" for name, kind in event["properties"].items()]
    return "\n\n".join(filter(None, (f"**{word.text}**", event["description"], "\n".join(rows))))


def _segment(name: str, known: Knowledge, size_of: SizeOf) -> str:
    condition = known.condition(name)
    if condition is None:
        return ""
    title, when = condition
    size = size_of(name)
    shown = "" if size is None else f"\n\n{size:,} {'person' if size == 1 else 'people'} now"
    lines = "\n".join(f"    {line}" for line in when.splitlines())
    return f"**{title}** ({name})\n\n{lines}{shown}"
