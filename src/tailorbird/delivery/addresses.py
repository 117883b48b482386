"""How an e-mail address is written on the wire: its domain in ASCII, its local part as it is."""

from __future__ import annotations


def wire_address(address: str) -> str | None:
    """Return the address with its domain in ASCII (IDNA); None where it has no such form.

    A local part beyond ASCII stays: only a server with SMTPUTF8 takes it.

    Example:
        >>> wire_address("ada@bücher.example")
        'ada@xn--bcher-kva.example'
    """
    local, at, domain = address.rpartition("@")
    if not (local and at and domain):
        return None
    try:
        local.encode("utf-8")
        return address if domain.isascii() else f"{local}@{domain.encode('idna').decode()}"
    except UnicodeError:
        return None
