"""A lake in object storage that speaks S3: one object a file, the manifest last.

An object is there whole or not at all, and what S3 has acknowledged every later request sees: the
lake's order of writing needs no more. That one data folder alone writes to a prefix is held by the
object `owner`. DuckDB reads through `filesystem`, as its own extension for S3 is not built in.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa
from pyarrow import fs as arrow_fs

from tailorbird.adapters.lake.manifest import QUARANTINE
from tailorbird.base.problems import OperationalError

PROTOCOL = "lake"
_OWNER = "owner"
_CONNECT_SECONDS = 5.0
_REQUEST_SECONDS = 30.0
# A server that answers 503 is asked again, with growing pauses; some seconds in all.
_ATTEMPTS = 4


def open_objects(url: str, environ: Mapping[str, str], *, owner: str) -> Objects:
    """Open `s3://BUCKET/PREFIX` by the variables that all of S3's tools know.

    AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION, and AWS_ENDPOINT_URL_S3
    or AWS_ENDPOINT_URL for other servers than Amazon's.

    Raises:
        OperationalError: no such bucket, no rights, nobody there, or another's lake.
    """
    path = url.removeprefix("s3://")
    endpoint = environ.get("AWS_ENDPOINT_URL_S3") or environ.get("AWS_ENDPOINT_URL") or ""
    parts = urlsplit(endpoint)
    if endpoint and (parts.scheme not in ("http", "https") or not parts.netloc):
        raise OperationalError(
            f"AWS_ENDPOINT_URL is {endpoint!r}, which is no http:// or https:// address",
            is_retry_safe=False,
        )
    region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    storage = arrow_fs.S3FileSystem(
        access_key=environ.get("AWS_ACCESS_KEY_ID"),
        secret_key=environ.get("AWS_SECRET_ACCESS_KEY"),
        session_token=environ.get("AWS_SESSION_TOKEN"),
        region=region,
        endpoint_override=parts.netloc or None,
        scheme=parts.scheme or "https",
        connect_timeout=_CONNECT_SECONDS,
        request_timeout=_REQUEST_SECONDS,
        retry_strategy=arrow_fs.AwsStandardS3RetryStrategy(max_attempts=_ATTEMPTS),
        allow_delayed_open=True,
    )
    found = Objects(storage, path, endpoint or f"Amazon's {region}")
    found.claim(owner)
    return found


class Objects:
    """`place.Place` in a bucket."""

    def __init__(self, storage: arrow_fs.S3FileSystem, path: str, server: str) -> None:
        self._storage = storage
        self._path = path
        self._server = server

    def __str__(self) -> str:
        return f"s3://{self._path}"

    def claim(self, owner: str) -> None:
        """Make sure that the prefix is this owner's; it becomes so if it is nobody's.

        Raises:
            OperationalError: it is another's, or the storage refuses.
        """
        bucket = self._path.partition("/")[0]
        try:
            if self._storage.get_file_info(bucket).type == arrow_fs.FileType.NotFound:
                raise OperationalError(
                    f"there is no bucket {bucket} at {self._server}: make it, or mend"
                    " `[lake] url` in tailorbird.toml",
                    is_retry_safe=True,
                )
            try:
                found = self.read(_OWNER).decode("utf-8", "replace")
            except FileNotFoundError:
                self.write(_OWNER, owner.encode())
                return
        except OSError as problem:
            raise OperationalError(_said(self, self._server, problem), is_retry_safe=True) from None
        if found != owner:
            raise OperationalError(
                f"{self} is the lake of another data folder: give each a prefix of its own in"
                " `[lake] url`, or remove what lies there if that folder is gone",
                is_retry_safe=False,
            )

    def read(self, name: str) -> bytes:
        """Return what is kept under a name."""
        with self._storage.open_input_file(f"{self._path}/{name}") as file:
            return bytes(file.read())

    def open(self, name: str) -> Any:
        """Return the object, read piece by piece."""
        return self._storage.open_input_file(f"{self._path}/{name}")

    def write(self, name: str, data: pa.Buffer | bytes) -> None:
        """Put an object."""
        with self._storage.open_output_stream(f"{self._path}/{name}") as file:
            file.write(data)

    def remove(self, name: str) -> None:
        """Remove an object if it is there."""
        with contextlib.suppress(FileNotFoundError):
            self._storage.delete_file(f"{self._path}/{name}")

    def set_aside(self, name: str) -> None:
        """Copy an object into the quarantine if it is there, and remove it."""
        aside = f"{self._path}/{QUARANTINE}/{name.replace('/', '_')}"
        with contextlib.suppress(FileNotFoundError):
            self._storage.copy_file(f"{self._path}/{name}", aside)
            self.remove(name)

    def names(self) -> Iterator[str]:
        """Yield the names of all Parquet files but those in the quarantine."""
        selector = arrow_fs.FileSelector(self._path, recursive=True, allow_not_found=True)
        for one in self._storage.get_file_info(selector):
            name = one.path.removeprefix(f"{self._path}/")
            if name.endswith(".parquet") and not name.startswith(f"{QUARANTINE}/"):
                yield name

    def names_aside(self) -> list[str]:
        """Return the names of what lies in the quarantine."""
        place = f"{self._path}/{QUARANTINE}"
        selector = arrow_fs.FileSelector(place, recursive=True, allow_not_found=True)
        found = self._storage.get_file_info(selector)
        return [one.path.removeprefix(f"{self._path}/") for one in found if one.is_file]

    def source(self, name: str) -> str:
        """Return a name that `filesystem` opens."""
        return f"{PROTOCOL}://{self._path}/{name}"

    def filesystem(self) -> Any:
        """Return the storage as DuckDB registers it.

        Raises:
            OperationalError: fsspec is not installed.
        """
        try:
            from fsspec.implementations.arrow import ArrowFSWrapper
        except ImportError:
            raise OperationalError(
                "a lake in object storage is read through fsspec; install it:"
                " pip install 'tailorbird[warehouse]'",
                is_retry_safe=False,
            ) from None

        class Storage(ArrowFSWrapper):  # type: ignore[misc]  # fsspec has no annotations
            protocol = PROTOCOL

            @classmethod
            def _strip_protocol(cls, path: str) -> str:
                return path.removeprefix(f"{PROTOCOL}://").rstrip("/")

        return Storage(self._storage)


def _said(place: Objects, server: str, problem: OSError) -> str:
    """Say what the storage refused, without what it was asked with."""
    text = str(problem)
    if any(word in text for word in ("ACCESS_DENIED", "HTTP status 403", "INVALID_ACCESS_KEY")):
        return (
            f"{place} refuses: the key of AWS_ACCESS_KEY_ID may not list, read, write and delete"
            f" there, or its secret is wrong (server: {server})"
        )
    return (
        f"{place} cannot be reached at {server} ({text[:300]}): is AWS_ENDPOINT_URL right, and does"
        " the server run? It is tried again"
    )
