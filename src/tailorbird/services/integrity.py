"""Whether the files of a data folder agree with one another, each finding with its mend."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from tailorbird.services.doctor import FAULT, OK, WARNING, Finding

_SHOWN_MAX = 3


class Contents(Protocol):
    """What is asked of a data folder, whose server may run. All of it only reads."""

    def log_end(self) -> int: ...
    def log_gaps(self) -> Sequence[str]:
        """Return places where offsets or stamps do not follow on."""
        ...

    def engines(self) -> int: ...
    def state_offset(self, index: int) -> int: ...
    def miscounted(self, index: int) -> Sequence[str]:
        """Return what a state counts otherwise than its rows are."""
        ...

    def outbox_numbers(self, index: int) -> tuple[int, int]:
        """Return the largest number that an outbox row got, and up to which deliver has them."""
        ...

    def identity_differences(self) -> Sequence[str]:
        """Return how the identity store differs from what the log gives."""
        ...

    def suppression_differences(self) -> Sequence[str]:
        """Return how the suppression store differs from what the log gives."""
        ...

    def on_hold(self) -> int:
        """Return how many messages wait to be released."""
        ...


def compare(contents: Contents, data: str, *, is_quick: bool) -> Iterator[Finding]:
    """Look at what the files say of one another; `is_quick` leaves out reading the whole log."""
    end = contents.log_end()
    yield _finding(
        "log",
        contents.log_gaps(),
        f"{end:,} records without a gap",
        "Stop the server and restore a backup: `tailorbird restore FOLDER --data DIR`.",
    )
    states: list[str] = []
    counts: list[str] = []
    outboxes: list[str] = []
    for index in range(contents.engines()):
        offset = contents.state_offset(index)
        if offset > end:
            states.append(f"state {index} has come to record {offset:,}, the log ends at {end:,}")
        counts += [f"state {index}: {one}" for one in contents.miscounted(index)]
        given, taken = contents.outbox_numbers(index)
        if taken > given:
            outboxes.append(
                f"state {index} has numbered {given:,} effects, the ledger has taken {taken:,}"
            )
    rebuild = f"Stop the server and make the states anew: `tailorbird rebuild --data {data}`."
    yield _finding("states", states, "no state is ahead of the log", rebuild)
    yield _finding("counts", counts, "people and members are as many as counted", rebuild)
    yield _finding(
        "outbox",
        outboxes,
        "the ledger has taken no more than there was",
        "Restart the server: its engines number their effects above what was taken.",
    )
    if not is_quick:
        derived = f"Stop the server, remove {data}/{{}} and start it: it is made anew from the log."
        yield _finding(
            "identity",
            contents.identity_differences(),
            "as the log gives it",
            derived.format("identity.db"),
        )
        yield _finding(
            "suppression",
            contents.suppression_differences(),
            "as the log gives it",
            derived.format("suppression.db"),
        )
    waiting = contents.on_hold()
    if waiting:
        yield Finding(
            name="on hold",
            status=WARNING,
            says=f"{waiting} message(s) wait since a restore: they may have been sent before",
            mend=f"`tailorbird release --data {data}` lists them, lets them go or drops them.",
        )


def _finding(name: str, faults: Sequence[str], well: str, mend: str) -> Finding:
    if not faults:
        return Finding(name=name, status=OK, says=well)
    says = "; ".join(faults[:_SHOWN_MAX])
    if len(faults) > _SHOWN_MAX:
        says += f"; and {len(faults) - _SHOWN_MAX} more"
    return Finding(name=name, status=FAULT, says=says, mend=mend)
