"""Candles as files: CSV, and Parquet by DuckDB, which is imported only when somebody asks for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

from fullon.kernel.clock import from_milliseconds, rfc3339
from fullon.market import packed

COLUMNS = "time,open,high,low,close,volume"
_OFFLINE: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "threads": 1,
}
_TO_PARQUET = """
COPY (
    SELECT make_timestamp_ms(time) AT TIME ZONE 'UTC' AS time, open, high, low, close, volume
      FROM read_csv('{source}', header = true, auto_detect = false, columns = {{
           'time': 'BIGINT',
           'open': 'DOUBLE', 'high': 'DOUBLE', 'low': 'DOUBLE', 'close': 'DOUBLE', 'volume': 'DOUBLE'}})
) TO '{target}' (FORMAT parquet, COMPRESSION zstd)
"""


def csv(chunks: Iterable[bytes]) -> bytes:
    """Packed rows as CSV: a header, times as RFC 3339, numbers with as many digits as it takes to read them back."""
    return _lines(chunks, lambda moment: rfc3339(from_milliseconds(packed.milliseconds(moment))))


def parquet(chunks: Iterable[bytes]) -> bytes:
    """Packed rows as a Parquet file, zstd-compressed; ``time`` is a timestamp in UTC."""
    import duckdb

    with TemporaryDirectory(prefix="fullon-") as directory:
        source, target = Path(directory, "candles.csv"), Path(directory, "candles.parquet")
        source.write_bytes(_lines(chunks, lambda moment: str(packed.milliseconds(moment))))
        with duckdb.connect(":memory:", config=_OFFLINE) as connection:
            connection.execute(_TO_PARQUET.format(source=source, target=target))
        return target.read_bytes()


def _lines(chunks: Iterable[bytes], time: Callable[[int], str]) -> bytes:
    lines = [COLUMNS]
    for chunk in chunks:
        lines += [
            f"{time(moment)},{opening},{high},{low},{close},{volume}"
            for moment, opening, high, low, close, volume in packed.ROW.iter_unpack(chunk)
        ]
    return ("\n".join(lines) + "\n").encode()
