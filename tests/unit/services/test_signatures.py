"""Who signed a webhook: the published cases, and each sender's own way."""

from __future__ import annotations

import hmac
import json
from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tailorbird.services.hooks.signatures import BadSecret, verify
from tailorbird.workspace.definitions import SourceDefinition

CASES = json.loads(
    (Path(__file__).parents[2] / "data" / "standard-webhooks" / "vectors.json").read_text()
)
NOW = 1_700_000_000
BODY = b'{"id": 1}'


def source(sender: str, **more: Any) -> SourceDefinition:
    rest = {"header": "x-signature", **more}
    return SourceDefinition(
        name="shop",
        title="Shop",
        description="",
        kind="webhook",
        format="segment-json",
        sender=sender,
        **rest,
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
@pytest.mark.parametrize("prefix", ["", "whsec_"])
@pytest.mark.parametrize("names", ["webhook", "svix"])
def test_the_cases_of_standard_webhooks(case: dict[str, Any], prefix: str, names: str) -> None:
    headers = {
        f"{names}-id": case["msg_id"],
        f"{names}-timestamp": str(case["timestamp"]),
        f"{names}-signature": case["signature"],
    }
    found = verify(
        source("standard-webhooks"),
        prefix + case["secret"],
        headers.get,
        case["payload"].encode(),
        case["verify_at"],
    )
    assert (found is None) is case["valid"], found


def test_a_secret_that_is_no_base64_is_told_without_repeating_it() -> None:
    headers = dict.fromkeys(("webhook-id", "webhook-timestamp", "webhook-signature"), "1")
    with pytest.raises(BadSecret) as told:
        verify(source("standard-webhooks"), "whsec_ü!", headers.get, BODY, NOW)
    assert "ü" not in str(told.value)


def digest(body: bytes, key: bytes = b"key") -> bytes:
    return hmac.digest(key, body, sha256)


GOOD = [
    (source("shopify"), {"x-shopify-hmac-sha256": b64encode(digest(BODY)).decode()}),
    (source("woocommerce"), {"x-wc-webhook-signature": b64encode(digest(BODY)).decode()}),
    (source("hmac"), {"x-signature": digest(BODY).hex()}),
    (source("hmac"), {"x-signature": "sha256=" + digest(BODY).hex().upper()}),
    (
        source("hmac", header="x-mac", encoding="base64"),
        {"x-mac": b64encode(digest(BODY)).decode()},
    ),
    (
        source("stripe"),
        {
            "stripe-signature": f"t={NOW},v0=x,v1={'0' * 64},"
            f"v1={digest(str(NOW).encode() + b'.' + BODY).hex()}"
        },
    ),
]


@pytest.mark.parametrize(("definition", "headers"), GOOD)
def test_each_sender_signs_in_a_way_of_its_own(
    definition: SourceDefinition, headers: dict[str, str]
) -> None:
    ((name, value),) = headers.items()
    assert verify(definition, "key", headers.get, BODY, NOW) is None
    for wrong in (
        verify(definition, "other", headers.get, BODY, NOW),
        verify(definition, "key", headers.get, BODY + b" ", NOW),
        verify(definition, "key", {name: value[:-3] + "AAA"}.get, BODY, NOW),
        verify(definition, "key", {name: "ü"}.get, BODY, NOW),
        verify(definition, "key", {}.get, BODY, NOW),
    ):
        assert wrong is not None
        assert wrong.field == name
        assert "key" not in wrong.message


@pytest.mark.parametrize(
    ("off", "is_good"), [(300, True), (301, False), (-300, True), (-301, False)]
)
def test_stripes_signatures_age(off: int, is_good: bool) -> None:
    value = f"t={NOW},v1={digest(str(NOW).encode() + b'.' + BODY).hex()}"
    found = verify(source("stripe"), "key", {"stripe-signature": value}.get, BODY, NOW + off)
    assert (found is None) is is_good


@pytest.mark.parametrize("value", ["", "t=,v1=", "v1=ab", "t=x,v1=ab", "t=" + "9" * 400, "t=1"])
def test_what_is_no_signature_of_stripe_is_refused(value: str) -> None:
    assert verify(source("stripe"), "key", {"stripe-signature": value}.get, BODY, NOW) is not None
