import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlsim_ij.datasets import split_fields
from dlsim_ij.errors import DataError

FIELDS = [f"cell{i}" for i in range(40)]


def test_fractions_are_met_and_every_field_is_in_one_part():
    split = split_fields(FIELDS, (0.7, 0.2, 0.1))
    assert (len(split.train), len(split.validation), len(split.test)) == (28, 8, 4)
    assert sorted(split.train + split.validation + split.test) == sorted(FIELDS)
    assert split.warnings == ()


def test_the_split_is_the_same_on_every_machine():
    # written down once: neither numpy's nor Python's generator may change it
    split = split_fields([f"Sample_{i}" for i in range(1, 7)], (0.5, 0.3, 0.2), seed=7)
    assert split.train == ("Sample_1", "Sample_2", "Sample_5")
    assert split.validation == ("Sample_3", "Sample_4")
    assert split.test == ("Sample_6",)


@given(st.permutations(FIELDS))
def test_the_order_of_the_listing_plays_no_part(names):
    assert split_fields(names) == split_fields(FIELDS)


def test_another_seed_gives_another_split():
    assert split_fields(FIELDS, seed=1).train != split_fields(FIELDS, seed=2).train


def test_one_more_field_moves_few_others():
    before, after = split_fields(FIELDS), split_fields([*FIELDS, "cell40"])
    moved = [name for name in FIELDS if before.part_of(name) != after.part_of(name)]
    assert len(moved) <= 2


@pytest.mark.parametrize(
    ("count", "sizes", "missing"),
    [
        (1, (1, 0, 0), ["validation", "test"]),
        (2, (1, 1, 0), ["test"]),
        (3, (1, 1, 1), []),
        (4, (2, 1, 1), []),
    ],
)
def test_few_fields_are_split_honestly(count, sizes, missing):
    split = split_fields(FIELDS[:count])
    assert (len(split.train), len(split.validation), len(split.test)) == sizes
    for part in ("validation", "test"):
        assert any(f"too few for a {part}" in warning for warning in split.warnings) == (part in missing)


@given(
    count=st.integers(1, 60),
    weights=st.tuples(st.integers(1, 10), st.integers(0, 10), st.integers(0, 10)),
)
def test_no_part_that_was_asked_for_stays_empty(count, weights):
    fractions = [weight / sum(weights) for weight in weights]
    split = split_fields([f"f{i}" for i in range(count)], fractions)
    sizes = [len(split.train), len(split.validation), len(split.test)]
    assert sum(sizes) == count
    asked = sum(weight > 0 for weight in weights)
    assert sizes[0] >= 1
    for size, weight in zip(sizes, weights, strict=True):
        assert weight > 0 or size == 0
        assert weight == 0 or size > 0 or count < asked


@pytest.mark.parametrize("fractions", [(0.7, 0.2), (0.7, 0.2, 0.2), (1.2, -0.2, 0), (0, 0.5, 0.5)])
def test_impossible_fractions_are_refused(fractions):
    with pytest.raises(DataError, match="fractions"):
        split_fields(FIELDS, fractions)


def test_two_fields_of_one_name_are_refused():
    with pytest.raises(DataError, match="two fields of view are called 'a'"):
        split_fields(["a", "b", "a"])
