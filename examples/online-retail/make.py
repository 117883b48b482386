"""Makes online-retail.parquet from the CSV of the UCI Online Retail data set.

    python examples/online-retail/make.py online_retail.csv.gz

Columns of the CSV: InvoiceNo, StockCode, Description, Quantity, InvoiceDate, UnitPrice,
CustomerID, Country. Nothing is left out; rows are sorted by time, then invoice.
"""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb

TARGET = Path(__file__).parent / "online-retail.parquet"
QUERY = """
COPY (
    SELECT
        InvoiceNo AS invoice,
        StockCode AS product_id,
        trim(Description) AS name,
        CAST(Quantity AS INTEGER) AS quantity,
        CAST(InvoiceDate AS TIMESTAMP) AS invoiced_at,
        CAST(UnitPrice AS DECIMAL(10, 3)) AS price,
        CAST(nullif(CustomerID, '') AS INTEGER) AS customer_id,
        Country AS country
    FROM read_csv(?, header = true, all_varchar = true)
    ORDER BY invoiced_at, invoice, product_id
) TO '{target}' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 19, ROW_GROUP_SIZE 600000)
"""


def main() -> None:
    """Read the CSV named on the command line, write the Parquet file beside this script."""
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    connection = duckdb.connect()
    connection.execute(QUERY.format(target=TARGET), [sys.argv[1]])
    count = connection.execute(f"SELECT count(*) FROM '{TARGET}'").fetchone()
    sys.stdout.write(f"{count[0] if count else 0:,} lines, {TARGET.stat().st_size:,} bytes\n")


if __name__ == "__main__":
    main()
