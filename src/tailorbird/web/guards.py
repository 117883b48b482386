"""What the routes of the control API share: who may pass, how long a page may be."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.datastructures import State
from litestar.exceptions import NotAuthorizedException
from litestar.handlers.base import BaseRouteHandler
from litestar.params import QueryParameter

PAGE_MAX = 500
Limit = Annotated[int, QueryParameter(ge=1, le=PAGE_MAX)]
AnyRequest = Request[Any, Any, State]


def admin_guard(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Let only administrators pass."""
    if not connection.app.state.parts.sessions.is_admin(connection.scope):
        raise NotAuthorizedException(
            "this needs the admin key", extra={"mend": "Send it as `Authorization: Bearer KEY`."}
        )
