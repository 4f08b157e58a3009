"""Training, validation and test: whole fields of view, because tiles of one field resemble each other."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import floor, isclose
from typing import Literal

from dlsim_ij.errors import DataError
from dlsim_ij.results import Result

Part = Literal["train", "validation", "test"]
PARTS: tuple[Part, ...] = ("train", "validation", "test")


@dataclass(frozen=True, slots=True, kw_only=True)
class Split(Result):
    """Names of the fields of each part, sorted, and what is wrong with so few of them."""

    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]
    warnings: tuple[str, ...] = ()

    def part_of(self, name: str) -> Part:
        """Return the part that holds the field `name`."""
        return next(part for part in PARTS if name in getattr(self, part))


def split_fields(
    names: Iterable[str], fractions: Sequence[float] = (0.7, 0.2, 0.1), *, seed: int = 0
) -> Split:
    """Split fields of view into training, validation and test.

    The order of the listing plays no part: fields are ranked by a hash of seed and name, so the same names
    and seed give the same split on every machine and with every library version. Each part with a
    fraction above zero gets one field at least, as long as there are enough; with fewer, training comes
    first, then validation, and a warning says what is missing.

    Parameters
    ----------
    names : iterable of str
        Distinct names of the fields.
    fractions : (float, float, float)
        Of training, validation and test; they add up to 1.
    seed : int
        Another seed gives another split.

    Raises
    ------
    DataError
        No field, a name twice, or fractions that are negative, give training nothing or miss 1.

    Examples
    --------
    >>> split = split_fields([f"cell{i}" for i in range(10)])
    >>> len(split.train), len(split.validation), len(split.test)
    (7, 2, 1)
    """
    fields = sorted(names)
    _check(fields, fractions)
    ranked = sorted(fields, key=lambda name: hashlib.sha256(f"{seed}:{name}".encode()).hexdigest())
    parts: list[tuple[str, ...]] = []
    for count in _counts(len(fields), fractions):
        parts.append(tuple(sorted(ranked[:count])))
        ranked = ranked[count:]
    return Split(
        train=parts[0], validation=parts[1], test=parts[2], warnings=tuple(_warnings(parts, fractions))
    )


def _check(fields: list[str], fractions: Sequence[float]) -> None:
    if not fields:
        raise DataError("there is no field of view to split", "check the input folder")
    if len(set(fields)) < len(fields):
        twice = next(name for name in fields if fields.count(name) > 1)
        raise DataError(f"two fields of view are called '{twice}'", "rename one of them")
    if len(fractions) != len(PARTS) or min(fractions) < 0 or not isclose(sum(fractions), 1, abs_tol=1e-6):
        raise DataError(
            f"the fractions {', '.join(f'{f:g}' for f in fractions)} are not three parts of 1",
            "for example --fractions 0.7,0.2,0.1",
        )
    if fractions[0] == 0:
        raise DataError("the fractions leave nothing to train on", "for example --fractions 0.7,0.2,0.1")


def _counts(n: int, fractions: Sequence[float]) -> list[int]:
    """Return how many of `n` fields go to each part: largest remainders, and none left empty-handed."""
    counts = [floor(n * fraction + 1e-9) for fraction in fractions]
    remainders = [n * fraction - count for fraction, count in zip(fractions, counts, strict=True)]
    for i in sorted(range(len(counts)), key=lambda i: -remainders[i])[: n - sum(counts)]:
        counts[i] += 1
    wanted = [i for i, fraction in enumerate(fractions) if fraction > 0][:n]
    for i in wanted:
        if counts[i] == 0:
            counts[max(range(len(counts)), key=lambda j: counts[j])] -= 1
            counts[i] = 1
    for i in range(len(counts)):  # too few fields for all parts: the earlier ones have them
        if i not in wanted and counts[i]:
            counts[0] += counts[i]
            counts[i] = 0
    return counts


def _warnings(parts: list[tuple[str, ...]], fractions: Sequence[float]) -> Iterable[str]:
    n = sum(map(len, parts))
    fields = "1 field of view is" if n == 1 else f"{n} fields of view are"
    _, validation, test = parts
    if fractions[1] > 0 and not validation:
        yield f"{fields} too few for a validation part: training cannot tell when it over-fits"
    if fractions[2] > 0 and not test:
        yield f"{fields} too few for a test part: no score of a network trained on them is independent"
    if 0 < len(test) < 3:
        held = "1 field" if len(test) == 1 else f"{len(test)} fields"
        yield f"the test part holds {held} of view: its scores have no usable spread"
