"""What is counted in plain numbers reads as if a client of Prometheus had counted it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from tailorbird.services.ingest import Answered
from tailorbird.web.request_measures import RequestCounts

REQUESTS = st.lists(
    st.tuples(
        st.sampled_from(["track", "batch"]),
        st.sampled_from([200, 400, 499]),
        st.floats(0, 20) | st.sampled_from([0.005, 0.01, 1.0, 10.0]),
        st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9)),
        st.dictionaries(st.sampled_from(["not_json", "nobody"]), st.integers(1, 9)),
    ),
    min_size=1,
)


@given(REQUESTS)
def test_the_exposition_is_that_of_the_client(
    requests: list[tuple[str, int, float, tuple[int, int, int], dict[str, int]]],
) -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    counts = RequestCounts()
    ours.register(counts)
    events = Counter(
        "tailorbird_events",
        "Events by what became of them",
        ["call", "outcome"],
        registry=theirs,
    )
    refused = Counter("tailorbird_refused", "Refused items by rule", ["rule"], registry=theirs)
    answers = Counter("tailorbird_requests", "Requests by status", ["status"], registry=theirs)
    seconds = Histogram("tailorbird_request_seconds", "Time to answer", ["route"], registry=theirs)
    for call, status, took, kinds, rules in requests:
        counts.collected(call, Answered(status, {}, *kinds, rules))
        counts.answered(call, status, took)
        for outcome, count in zip(("accepted", "duplicate", "noisy"), kinds, strict=True):
            events.labels(call, outcome).inc(count)
        for rule, count in rules.items():
            refused.labels(rule).inc(count)
        answers.labels(str(status)).inc()
        seconds.labels(call).observe(took)
    assert generate_latest(ours).decode() == without_birthdays(generate_latest(theirs).decode())


def without_birthdays(text: str) -> str:
    """Leave out when each series began: a restart tells the same."""
    return "".join(line for line in text.splitlines(keepends=True) if "_created" not in line)
