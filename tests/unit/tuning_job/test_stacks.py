"""Which stacks of a user take part in a tuning, and what they are called."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import dlsim_ij as dlsim
from dlsim_ij.datasets.like import FittedStack, FittedStacks
from dlsim_ij.errors import ConfigError, LayoutError
from dlsim_ij.simulation import Spread, paper_conditions
from dlsim_ij.tuning_job.stacks import (
    MOST_STACKS,
    _distinct_names,
    _spread_over,
    fitted_stacks,
    light_range,
    read_stacks,
)

DEMO = Path(__file__).parents[3] / "examples" / "demo_raw.tif"
OPTICS = {"na": 1.49, "emission_nm": 525.0}


def levels(*photons):
    conditions = paper_conditions(np.random.default_rng(0), photons=(10, 10))
    spread = Spread(modulation=((0.1, 0.1),) * 3, log_damping=0.1)
    return FittedStacks(
        stacks=tuple(
            FittedStack(conditions=dataclasses.replace(conditions, photons=p), spread=spread) for p in photons
        )
    )


def test_files_are_told_apart_by_their_folders():
    paths = [Path("/data/HE/Sample_1"), Path("/data/LE/Sample_1.tif")]
    assert list(_distinct_names(paths).values()) == ["HE/Sample_1", "LE/Sample_1"]
    assert list(_distinct_names([Path("a/one.tif"), Path("two.tif")]).values()) == ["one", "two"]
    same = [Path("one.tif"), Path("one.ome.tif"), Path("one.npy")]
    assert len(_distinct_names(same)) == 3  # and it ends


@pytest.mark.parametrize("count", [1, 2, 8, 9, 100])
def test_the_stacks_that_take_part_are_spread_over_all(count):
    chosen = _spread_over(count, MOST_STACKS)
    assert len(chosen) == min(count, MOST_STACKS)
    assert chosen[0] == 0
    assert chosen[-1] == count - 1 or count == 1
    gaps = np.diff(chosen)
    assert len(gaps) == 0 or gaps.max() - gaps.min() <= 1


def test_training_reaches_twice_around_the_light_of_the_stacks():
    assert light_range(levels(20.0, 300.0)) == (10.0, 600.0)
    low, high = light_range(levels(1.1))
    assert (low, high) == (1.0, 2.2)
    assert light_range(levels(3e5))[0] < light_range(levels(3e5))[1]


def test_a_stack_without_a_pattern_is_left_out_and_said(tmp_path):
    raw = dlsim.read_image(DEMO).values
    noise = np.random.default_rng(0).poisson(raw.mean(), raw.shape).astype(np.uint16)
    dlsim.write_image(tmp_path / "empty.tif", noise, pixel_size_um=0.06)
    stacks, left_out = read_stacks([DEMO, tmp_path / "empty.tif"], **OPTICS)
    assert [stack.name for stack in stacks] == ["demo_raw"]
    assert left_out[0].startswith("empty is left out: ")
    with pytest.raises(LayoutError, match=r"^empty: "):
        read_stacks([tmp_path / "empty.tif"], **OPTICS)
    fitted = fitted_stacks(stacks)
    assert len(fitted.stacks) == 1
    assert fitted.scenes == ()  # 8 photons: its reconstruction is mostly noise


def test_several_channels_and_several_pixel_sizes_are_refused(tmp_path):
    raw = dlsim.read_image(DEMO).values
    both = xr.DataArray(np.stack([raw, raw]), dims=("C", "Z", "Y", "X"), attrs={"pixel_size_um": 0.06})
    dlsim.write_image(tmp_path / "two.tif", both)
    with pytest.raises(ConfigError, match=r"two\.tif: it has several channels"):
        read_stacks([tmp_path / "two.tif"], **OPTICS)
    dlsim.write_image(tmp_path / "other.tif", raw, pixel_size_um=0.08)
    with pytest.raises(ConfigError, match=r"native pixels of 60\.0 to 80\.0 nm"):
        read_stacks([DEMO, tmp_path / "other.tif"], **OPTICS)
