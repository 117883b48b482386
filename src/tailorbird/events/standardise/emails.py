"""E-mail addresses: what is one, and its standard form.

The domain is written in small letters and in Unicode, the local part stays: only its mail server
knows what its capitals mean. Identity compares addresses in small letters.
"""

from __future__ import annotations

from functools import lru_cache

from tailorbird.events.event import Event
from tailorbird.events.standardise.step import TEXT_LENGTH_MAX, Surroundings, Unfit


def email(text: str, *, dotless: bool = True, unusual: bool = False) -> str | None:
    """Return the standard form of an e-mail address, None where the text is none.

    Args:
        text: The address, without blanks around it.
        dotless: Whether the domain may be a top-level domain, as in `post@io`: correct, and
            hardly ever meant.
        unusual: Whether quoted local parts and addresses of machines in brackets count, which
            SMTP carries and shops meet as faults of forms.

    Example:
        >>> email("Ada@Shop.EXAMPLE"), email("a@xn--bcher-kva.example"), email("ada@shop,example")
        ('Ada@shop.example', 'a@bücher.example', None)

    Source: RFC 5321 4.1.2, RFC 6531 3.3; comments and folded blanks of RFC 5322 do not count.
    """
    return _email(text, dotless, unusual) if 3 <= len(text) <= TEXT_LENGTH_MAX else None


@lru_cache(maxsize=16_384)
def _email(text: str, dotless: bool, unusual: bool) -> str | None:
    # Imported when the first address comes: only some of the processes see any.
    from email_validator import EmailNotValidError, validate_email

    if not dotless and "." not in text.rpartition("@")[2]:
        return None
    if not unusual and text.rpartition(".")[2].isdigit():
        return None
    try:
        found = validate_email(
            text,
            check_deliverability=False,
            globally_deliverable=False,
            allow_quoted_local=unusual,
            allow_domain_literal=unusual,
            strict=True,
        )
    except (EmailNotValidError, UnicodeError, ValueError):
        return None
    return found.normalized


def standardise_email(event: Event, at: Surroundings) -> bool:
    """Standardise `email` of traits and properties."""
    given = event.properties.get("email")
    if given is None:
        return False
    if not isinstance(given, str):
        at.mark("email", Unfit.NOT_TEXT)
        return True
    # Blanks around an address come from forms; an empty field says nothing.
    text = given.strip()
    if not text:
        return False
    found = email(text, dotless=False)
    if found is None:
        at.mark("email", Unfit.BAD_EMAIL)
    elif found != given:
        at.replaced("email", given)
        event.properties["email"] = found
    return True
