"""The shop that is simulated: its definitions in three versions, and their oracle."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from tailorbird.base.problems import Problem
from tailorbird.ports.control_store import ControlStore
from tailorbird.services.publish import checked_workspace
from tailorbird.services.versions import load_workspace
from tailorbird.workspace.definitions import Workspace

RECEIPT = "receipt"
MARKETING_PER_DAY = 3

_SETTINGS = (
    'name = "Shop"\n'
    "[sender]\n"
    'address = "shop@shop.example"\n'
    'postal_address = "1 High Street, Shoptown"\n'
    "[mail]\n"
    f"marketing_per_day = {MARKETING_PER_DAY}\n"
)
_MAIL = (
    "---\nsubject: Hello\n---\n<p>Hello {{ traits.first_name | default: 'you' }}, "
    '<a href="{{ links.unsubscribe_url }}">leave</a></p>\n'
)
_COMMON = {
    "tailorbird.toml": _SETTINGS,
    "templates/hello.html": _MAIL,
    f"journeys/{RECEIPT}.yaml": (
        "enter: {event: order_completed}\n"
        "key: event.properties.order_id\n"
        "steps:\n"
        "  - {id: now, send: hello, kind: transactional}\n"
    ),
    "journeys/welcome.yaml": (
        "enter: {event: signed_up}\n"
        "reentry: once\n"
        "exit: count(order_completed) >= 3\n"
        "steps:\n"
        "  - {id: pause, wait: 5s}\n"
        "  - {id: mail, send: hello, expires: 60s}\n"
        "  - {id: longer, wait: 1h}\n"
        "  - {id: thanks, send: hello, kind: transactional}\n"
    ),
    "journeys/forgotten.yaml": (
        "enter: {segment: forgetful}\n"
        "reentry: 2s\n"
        "steps:\n"
        "  - {id: mail, send: hello, expires: 60s}\n"
    ),
}
_CONDITIONS = {
    "buyers": "count(order_completed) >= 2",
    "keen": "count(product_viewed within 2h) >= 3",
    "forgetful": "abandoned(cart_added, order_completed after 3s)",
    "lapsed": "since(order_completed) > 3d",
    "swiss": "traits.country = 'CH'",
    "rich": "sum(order_completed.revenue within 30d) >= 100",
}
CONDITIONS: tuple[Mapping[str, str], ...] = (
    _CONDITIONS,
    {
        **_CONDITIONS,
        "keen": "count(product_viewed within 6h) >= 2",
        "regular": "distinct(order_completed.revenue within 60d) >= 2",
    },
    {
        **{name: text for name, text in _CONDITIONS.items() if name != "swiss"},
        "lapsed": "since(order_completed) > 2d",
        "rich": "avg(order_completed.revenue) > 40 or traits.country = 'CH'",
    },
)


def files_of(version: int) -> dict[str, str]:
    """Return the files of one of the versions of the workspace."""
    segments = {
        f"segments/{name}.yaml": f'when: "{text}"\n' for name, text in CONDITIONS[version].items()
    }
    return {**_COMMON, **segments}


@cache
def _checked(version: int) -> tuple[Workspace | None, list[Problem]]:
    found, problems = checked_workspace(files_of(version))
    assert not problems, problems
    return found, problems


def check(files: Mapping[str, str]) -> tuple[Workspace | None, list[Problem]]:
    """Read one of the versions' files; each is read once for all runs."""
    version = next(one for one in range(len(CONDITIONS)) if files_of(one) == files)
    return _checked(version)


_known: dict[str, Workspace] = {}


def load(control: ControlStore, version: str) -> Workspace:
    """Return a published version; it is named by its content, so all runs share one reading."""
    found = _known.get(version)
    if found is None:
        found = _known[version] = load_workspace(control, version)
    return found
