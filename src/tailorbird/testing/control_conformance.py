"""What every control store must do. Each check is a function of one empty store; see `CHECKS`."""

from __future__ import annotations

from collections.abc import Callable

from tailorbird.ports.control_store import ControlStore


def check_versions_are_kept(store: ControlStore) -> None:
    """A known version is left alone; unknown ones are a KeyError."""
    store.save_version("b", {"segments/vip.yaml": "when: true"}, 20)
    store.save_version("a", {}, 10)
    store.save_version("b", {"other": "text"}, 30)
    assert store.versions() == [("a", 10), ("b", 20)]
    assert store.load_version("b") == {"segments/vip.yaml": "when: true"}
    try:
        store.load_version("c")
    except KeyError:
        pass
    else:
        raise AssertionError("an unknown version was loaded")


def check_values_are_replaced(store: ControlStore) -> None:
    """An unknown name has no value."""
    assert store.get("live_version") is None
    store.set("live_version", "a")
    store.set("live_version", "b")
    assert store.get("live_version") == "b"


def check_keys_have_roles(store: ControlStore) -> None:
    """The latest role of a key counts."""
    assert store.key_role("k") is None
    store.add_key("k", "write")
    assert store.key_role("k") == "write"
    store.add_key("k", "admin")
    assert store.key_role("k") == "admin"


CHECKS: tuple[Callable[[ControlStore], None], ...] = (
    check_versions_are_kept,
    check_values_are_replaced,
    check_keys_have_roles,
)
