"""`tailorbird export`: all that is kept of a person, as JSON."""

from __future__ import annotations

from pathlib import Path

from tailorbird.cli import output
from tailorbird.cli.reading import nobody, open_query, reference_of


def export(person: str, /, *, data: Path = Path("data")) -> int:
    """Print all that is kept of a person as JSON, for them to read.

    Identifiers, traits, consents, segments, events, and messages with their content.

    ```
    tailorbird export user_id:17850 --data shop-data
    ```

    Parameters
    ----------
    person
        KIND:VALUE, such as user_id:17850 or email:ada@shop.example; a bare user id; or p_...
    data
        The data folder of the server.
    """
    with open_query(data) as query:
        found = query.export(reference_of(person))
    if found is None:
        raise nobody(person)
    output.write_json(found)
    return output.OK
