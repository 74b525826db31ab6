"""Columns as short text: integers of one, two or a variable number of bytes, in base64, which the page decodes lazily.

Probabilities become one byte, 0 to 254, with 255 for none: the error is at most 0.002. Times become hundredths of a
second, of which mostly differences are stored.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

Packed = dict[str, Any]

NONE_U8, MAX_U8 = 255, 254
NONE_U16, MAX_U16 = 65535, 65534


def pack_fractions(values: NDArray[Any], precise: bool = False) -> Packed:
    """Pack fractions from 0 to 1 with NaN for none, in one byte each, or in two if ``precise``.

    Args:
        values: any shape; packed row by row.
        precise: steps of 1/65534 instead of 1/254.
    """
    largest, none, dtype = (MAX_U16, NONE_U16, "<u2") if precise else (MAX_U8, NONE_U8, "u1")
    flat = np.asarray(values, np.float64).reshape(-1)
    whole = np.rint(np.clip(np.nan_to_num(flat), 0.0, 1.0) * largest)
    return _column("u16" if precise else "u8", np.where(np.isnan(flat), none, whole).astype(dtype).tobytes())


def pack_codes(codes: NDArray[Any]) -> Packed:
    """Pack numbers of classes, each below 255, with a negative number for none."""
    codes = np.asarray(codes, np.int64)
    return _column("u8", np.where(codes < 0, NONE_U8, codes).astype("u1").tobytes())


def pack_integers(values: NDArray[Any], differences: bool = False) -> Packed:
    """Pack integers of any size; small ones take one byte.

    Args:
        values: ``(n,)``.
        differences: store each as the difference from the one before it.
    """
    whole = np.asarray(values, np.int64)
    if differences:
        whole = np.diff(whole, prepend=0)
    zigzag = (whole << 1) ^ (whole >> 63)  # 0, -1, 1, -2 … become 0, 1, 2, 3 …
    return {**_column("varint", _to_varints(zigzag.astype(np.uint64))), "differences": differences}


def pack_times(seconds: NDArray[Any], differences: bool = False) -> Packed:
    """Pack times in seconds as hundredths, with NaN for none.

    Args:
        seconds: ``(n,)``.
        differences: as in ``pack_integers``; the column then has no NaN.
    """
    whole = np.asarray(seconds, np.float64)
    hundredths = np.rint(np.nan_to_num(whole) * 100).astype(np.int64)
    return pack_integers(hundredths if differences else np.where(np.isnan(whole), -1, hundredths), differences)


def pack_words(column: pl.Series) -> Packed:
    """Pack text that repeats: the different values in order, and their numbers; -1 for none."""
    import polars as pl

    values = column.drop_nulls().unique().sort()
    codes = column.replace_strict(values, np.arange(len(values)), default=None, return_dtype=pl.Int64)
    return {"values": values.to_list(), "index": pack_integers(codes.fill_null(-1).to_numpy())}


def _to_varints(values: NDArray[np.uint64]) -> bytes:
    """Encode as LEB128: seven bits a byte, the lowest first; the top bit says that another byte follows."""
    n_bytes = np.ones(len(values), np.int64)
    for k in range(1, 10):
        n_bytes += values >= np.uint64(1 << 7 * k)
    ends = np.cumsum(n_bytes)
    out = np.zeros(int(ends[-1]) if len(ends) else 0, np.uint8)
    for k in range(int(n_bytes.max(initial=0))):
        rows = n_bytes > k
        low = (values[rows] >> np.uint64(7 * k)) & np.uint64(0x7F)
        more = np.where(n_bytes[rows] > k + 1, 0x80, 0)
        out[(ends - n_bytes)[rows] + k] = low.astype(np.uint8) | more.astype(np.uint8)
    return out.tobytes()


def _column(kind: str, content: bytes) -> Packed:
    return {"kind": kind, "data": base64.b64encode(content).decode("ascii")}
