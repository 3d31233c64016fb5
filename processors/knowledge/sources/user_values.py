"""Values of a laboratory's own columns, read from the cells of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from processors.knowledge.allele_columns import MISSING
from processors.knowledge.sources.table_cut import Cells
from processors.knowledge.sources.user_mapping import UserColumn

_FALSE = ("", "0", "false", "False", "FALSE", "no", "No", "NO")
_INT32 = 2**31 - 1


def values_of(cells: Cells, columns: Sequence[UserColumn]) -> Mapping[str, Any]:
    """Column → values of all rows; its cells are the role `column.NAME`. Raises SourceRefused with file, line and column."""
    found: dict[str, Any] = {}
    for column in columns:
        role = f"column.{column.name}"
        if column.type in ("text", "word"):
            found[column.name] = cells.words(role)
        elif column.type == "flag":
            words = cells.words(role)
            found[column.name] = (~np.isin(words.to_numpy(zero_copy_only=False).astype(str), _FALSE)).astype(np.int64)
        elif column.type == "number":
            found[column.name] = cells.numbers(role, column.low, column.high)
        else:
            cells.numbers(role, max(column.low, -_INT32), min(column.high, _INT32))
            found[column.name] = _integers(cells, role)
    return found


def _integers(cells: Cells, role: str) -> npt.NDArray[np.int32]:
    words = cells.words(role)
    given = pc.if_else(pc.not_equal(words, ""), words, pa.scalar(None, pa.string()))
    try:
        whole = given.cast(pa.int32())
    except pa.ArrowInvalid as error:
        wrong = next(row for row, word in enumerate(given.to_pylist()) if word is not None and not word.lstrip("-").isdigit())
        raise cells.refuse(role, wrong, "is no whole number") from error
    return np.asarray(whole.fill_null(MISSING["i4"]))
