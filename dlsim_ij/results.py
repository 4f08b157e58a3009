"""The base of all results: frozen dataclasses whose scalars go to JSON, CSV and the report alike."""

from __future__ import annotations

from dataclasses import fields
from math import isfinite
from pathlib import Path
from typing import Any, cast

import numpy as np


def plain(value: Any) -> Any:
    """Return `value` as JSON can hold it: NaN and infinity are None, numpy scalars are Python's.

    Examples
    --------
    >>> plain({"a": np.float32(0.5), "b": (1, float("nan"))})
    {'a': 0.5, 'b': [1, None]}
    """
    if isinstance(value, Result):
        return value.to_dict()
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (np.ndarray, np.generic)):
        return plain(value.tolist())
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, float) and not isfinite(value):
        return None
    return value


class Result:
    """Base of frozen result dataclasses.

    Numbers and words are ordinary fields. Arrays are declared with ``repr=False`` and stay out of
    :meth:`to_dict`, which the command line, the CSV and the report all use.
    """

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the scalar fields by name, ready for JSON."""
        return {f.name: plain(getattr(self, f.name)) for f in fields(cast("Any", self)) if f.repr}
