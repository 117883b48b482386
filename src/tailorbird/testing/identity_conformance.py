"""What every identity store must do. Each check is a function of one empty store; see `CHECKS`."""

from __future__ import annotations

from collections.abc import Callable

from tailorbird.ports.identity_store import IdentityStore


def check_a_new_store_knows_nobody(store: IdentityStore) -> None:
    """Unknown ids resolve to themselves."""
    assert store.find("user_id", "u") is None
    assert store.identifiers(1) == []
    assert store.resolve(1) == 1
    assert store.known_since(1) is None
    assert not store.has_user(1)
    assert store.offset() == 0


def check_later_links_win(store: IdentityStore) -> None:
    """Kinds are apart; the first link of a profile tells its age."""
    store.apply([("user_id", "u", 1, 5), ("email", "u", 2, 6)], [], 6)
    store.apply([("email", "u", 1, 7)], [], 7)
    assert store.find("user_id", "u") == 1
    assert store.find("email", "u") == 1
    assert store.identifiers(1) == [("email", "u"), ("user_id", "u")]
    assert store.identifiers(2) == []
    assert (store.known_since(1), store.known_since(2)) == (5, 6)
    assert store.has_user(1)
    assert not store.has_user(2)
    assert store.offset() == 7


def check_redirects_are_followed(store: IdentityStore) -> None:
    """Also those of those, and after the answer was asked for before."""
    store.apply([("anonymous_id", "a", 1, 1), ("user_id", "u", 2, 2), ("email", "e", 3, 3)], [], 3)
    assert store.find("anonymous_id", "a") == 1
    store.apply([], [(1, 2, 4)], 4)
    assert store.find("anonymous_id", "a") == 2
    store.apply([], [(2, 3, 5)], 5)
    assert store.find("anonymous_id", "a") == 3
    assert store.resolve(1) == 3
    assert store.identifiers(3) == [("anonymous_id", "a"), ("email", "e"), ("user_id", "u")]
    assert store.has_user(3)


def check_records_are_named(store: IdentityStore) -> None:
    """Which record linked what, and to whom; which merged whom, those of those included."""
    store.apply([("anonymous_id", "a", 1, 1), ("user_id", "u", 2, 2), ("email", "e", 3, 3)], [], 3)
    store.apply([("email", "e", 1, 4)], [(1, 2, 5)], 5)
    store.apply([], [(2, 3, 6)], 6)
    assert store.links(3) == [
        ("anonymous_id", "a", 1, 1),
        ("email", "e", 1, 4),
        ("user_id", "u", 2, 2),
    ]
    assert store.merges(3) == [(1, 2, 5), (2, 3, 6)]
    assert (store.links(4), store.merges(4)) == ([], [])


def check_an_offset_may_be_noted_alone(store: IdentityStore) -> None:
    """So that a restart reads on from there."""
    store.apply([("user_id", "u", 1, 1)], [], 1)
    store.apply((), (), 50)
    assert store.offset() == 50
    assert store.find("user_id", "u") == 1


def check_who_was_set_apart_stays_apart(store: IdentityStore) -> None:
    """The loser has its own identifiers back; only a new merge makes the two one again."""
    store.apply([("anonymous_id", "a", 1, 1), ("user_id", "u", 2, 2)], [(1, 2, 2)], 2)
    store.apply([("email", "e", 2, 3)], [], 3)
    assert store.find("anonymous_id", "a") == 2
    store.apply([], [], 4, [(1, 2)])
    assert store.find("anonymous_id", "a") == 1
    assert store.identifiers(1) == [("anonymous_id", "a")]
    assert store.identifiers(2) == [("email", "e"), ("user_id", "u")]
    assert store.are_apart(1, 2)
    assert store.are_apart(2, 1)
    assert not store.are_apart(1, 3)
    store.apply([], [(2, 3, 5)], 5)
    assert store.are_apart(1, 3)
    store.apply([], [], 6, [(2, 3)])
    store.apply([], [(2, 1, 7)], 7)
    assert not store.are_apart(1, 2)
    assert store.find("user_id", "u") == 1


CHECKS: tuple[Callable[[IdentityStore], None], ...] = (
    check_a_new_store_knows_nobody,
    check_later_links_win,
    check_redirects_are_followed,
    check_who_was_set_apart_stays_apart,
    check_records_are_named,
    check_an_offset_may_be_noted_alone,
)
