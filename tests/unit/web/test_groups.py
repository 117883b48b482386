"""A group call says where a person belongs; it never makes two people one."""

from __future__ import annotations

from typing import Any

from tailorbird.events.event import EVENT, Event, encode
from tailorbird.reducer.reducer import Reducer
from tailorbird.testing.building import START, Person, workspace_of
from tailorbird.testing.in_process import ADMIN, WRITE, InProcessServer


def group(server: InProcessServer, user: str, group_id: Any, at: str, **traits: Any) -> None:
    message = {"userId": user, "groupId": group_id, "timestamp": at, "traits": traits}
    assert server.ask("POST", "/v1/group", message, WRITE).status == 200


def profile(server: InProcessServer, user: str) -> dict[str, Any]:
    server.settle()
    found: dict[str, Any] = server.ask("GET", f"/v1/profiles/user_id:{user}", headers=ADMIN).json
    return found


def test_the_latest_group_is_a_trait_and_late_calls_do_not_win(server: InProcessServer) -> None:
    server.publish()
    group(server, "ada", "initech", "2026-01-02T00:00:00Z")
    group(server, "ada", 42, "2026-01-04T00:00:00Z")
    group(server, "ada", "hooli", "2026-01-03T00:00:00Z")
    assert profile(server, "ada")["traits"]["group_id"] == "42"


def test_what_a_group_is_like_is_not_what_a_person_is_like(server: InProcessServer) -> None:
    server.publish()
    person = {"userId": "ada", "traits": {"name": "Ada", "email": "ada@shop.example"}}
    server.ask("POST", "/v1/identify", person, WRITE)
    office = {"name": "Initech", "email": "office@initech.example", "employees": 300}
    group(server, "ada", "initech", "2026-01-04T00:00:00Z", **office)
    found = profile(server, "ada")
    assert found["traits"] == {**person["traits"], "group_id": "initech"}  # type: ignore[dict-item]
    assert {"kind": "email", "value": "ada@shop.example"} in found["identifiers"]
    assert len(found["identifiers"]) == 2


def test_people_of_one_group_stay_apart(server: InProcessServer) -> None:
    server.publish()
    for user in ("ada", "bob"):
        group(server, user, "initech", "2026-01-04T00:00:00Z", email="office@initech.example")
    ada, bob = profile(server, "ada"), profile(server, "bob")
    assert ada["id"] != bob["id"]
    assert ada["identity"]["merged"] == bob["identity"]["merged"] == []
    assert ada["traits"] == bob["traits"] == {"group_id": "initech"}


def test_a_segment_asks_for_the_group() -> None:
    person = Person(Reducer(workspace_of({"initech": "traits.group_id = 'initech'"})))
    for number, group_id in enumerate(("initech", "hooli")):
        event = Event(
            type="group",
            name="grouped",
            message_id=f"m{number}",
            timestamp=START + number,
            order=number,
            properties={"group_id": group_id},
        )
        person.feed(EVENT, encode(event), number)
        assert person.segments == ({"initech"} if group_id == "initech" else set())
