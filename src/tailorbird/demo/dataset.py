"""The shop's year as Segment calls, in order of time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC
from pathlib import Path
from typing import Any

from tailorbird.base.problems import TailorbirdError
from tailorbird.base.time import format_micros, to_micros

# Reserved for documentation and tests: nobody's mailbox.
MAIL_DOMAIN = "shop.example"
# An event may have 32 KB; the largest invoices have 542 lines. The sum is of all lines.
LINES_PER_EVENT_MAX = 200
_BATCH_ROWS = 20_000


class DatasetProblem(TailorbirdError):
    """The demo's data cannot be read."""


@dataclass(slots=True)
class Call:
    """One message for POST /v1/batch; `at` is microseconds UTC."""

    at: int
    message: dict[str, Any]


@dataclass(slots=True)
class Counts:
    """What the data set held, filled while it is read."""

    lines: int = 0
    lines_without_customer: int = 0
    orders: int = 0
    refunds: int = 0
    customers: set[int] = field(default_factory=set)
    cut_orders: int = 0
    revenue: float = 0.0


def read_calls(path: Path, counts: Counts) -> Iterator[Call]:
    """Yield identify, order and refund calls in order of time.

    Raises:
        DatasetProblem: the file is missing, or DuckDB is not installed.
    """
    for rows in _invoices(path, counts):
        customer_id, at = rows[0]["customer_id"], rows[0]["at"]
        user_id = str(customer_id)
        if customer_id not in counts.customers:
            counts.customers.add(customer_id)
            yield Call(at, _identify(user_id, rows[0], at))
        invoice = rows[0]["invoice"]
        is_refund = invoice.startswith("C")
        yield Call(at, _order(user_id, invoice, rows, at, counts, is_refund=is_refund))


def _identify(user_id: str, row: dict[str, Any], at: int) -> dict[str, Any]:
    return {
        "type": "identify",
        "userId": user_id,
        "messageId": f"customer-{user_id}",
        "timestamp": format_micros(at),
        "traits": {
            "email": f"customer-{user_id}@{MAIL_DOMAIN}",
            "country": row["country"],
            "customer_since": format_micros(at)[:10],
            # The data say nothing of consent: the demo assumes it, and its page says so.
            "consent": {"marketing": True},
        },
    }


def _order(
    user_id: str,
    invoice: str,
    rows: list[dict[str, Any]],
    at: int,
    counts: Counts,
    *,
    is_refund: bool,
) -> dict[str, Any]:
    total = round(abs(sum(float(row["price"]) * row["quantity"] for row in rows)), 2)
    if is_refund:
        counts.refunds += 1
    else:
        counts.orders += 1
        counts.revenue += total
    counts.cut_orders += len(rows) > LINES_PER_EVENT_MAX
    return {
        "type": "track",
        "event": "Order Refunded" if is_refund else "Order Completed",
        "userId": user_id,
        "messageId": f"invoice-{invoice}-{at}",
        "timestamp": format_micros(at),
        "properties": {
            "order_id": invoice,
            "revenue": total,
            "currency": "GBP",
            "line_count": len(rows),
            "products": [
                {
                    "product_id": row["product_id"],
                    "name": row["name"] or "",
                    "quantity": abs(row["quantity"]),
                    "price": float(row["price"]),
                }
                for row in rows[:LINES_PER_EVENT_MAX]
            ],
        },
    }


def _invoices(path: Path, counts: Counts) -> Iterator[list[dict[str, Any]]]:
    """Yield the lines of each invoice of a known customer."""
    if not path.is_file():
        raise DatasetProblem(
            f"{path} is missing; run the demo in the folder of a checkout of the repository"
        )
    try:
        import duckdb
    except ImportError:
        raise DatasetProblem(
            "the demo reads Parquet with DuckDB; install it: pip install 'tailorbird[demo]'"
        ) from None
    query = duckdb.connect().execute(
        "SELECT invoice, invoiced_at, customer_id, country, product_id, name, quantity,"
        " CAST(price AS DOUBLE) FROM read_parquet(?) ORDER BY invoiced_at, invoice, product_id",
        [str(path)],
    )
    pending: list[dict[str, Any]] = []
    while rows := query.fetchmany(_BATCH_ROWS):
        for invoice, moment, customer_id, country, product_id, name, quantity, price in rows:
            counts.lines += 1
            if customer_id is None:
                counts.lines_without_customer += 1
                continue
            from_utc = moment.replace(tzinfo=UTC)
            row = {
                "invoice": invoice,
                "at": to_micros(from_utc),
                "customer_id": customer_id,
                "country": country,
                "product_id": product_id,
                "name": name,
                "quantity": quantity,
                "price": price,
            }
            if pending and (pending[0]["invoice"], pending[0]["at"]) != (invoice, row["at"]):
                yield pending
                pending = []
            pending.append(row)
    if pending:
        yield pending
