"""Samples like fitted stacks: the file that holds the fit, what is drawn from it, what is refused."""

import json
import shutil

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from dlsim_ij.datasets.footprint import data_bytes
from dlsim_ij.datasets.like import (
    FittedStack,
    FittedStacks,
    LikeOptions,
    LikePairs,
    make_source,
    read_fitted,
    shrunk_scene,
    write_fitted,
)
from dlsim_ij.datasets.source import make_source as any_source
from dlsim_ij.errors import ConfigError, DataError
from dlsim_ij.optics import Optics
from dlsim_ij.simulation import Camera, Spread
from dlsim_ij.simulation.conditions import Conditions, make_pattern

TINY = {
    "fields": 2, "field_px": 64, "photons": [[50, 100]], "structures": ["points", "actin"],
    "targets": ["wiener", "object"], "validation_photons": [70], "validation_fields": 1, "test_fields": 1,
    "proof_fields": 1,
}  # fmt: skip


def fitted(*photons, pixel_um=0.07):
    patterns = tuple(make_pattern(angle, 4.3, 3, 0.4, (0.6,)) for angle in (33.0, 93.0, 153.0))
    stacks = [
        FittedStack(
            conditions=Conditions(
                optics=Optics(na=1.3, emission_nm=560, pixel_size_um=pixel_um), patterns=patterns,
                photons=level, intensity=(1.0,) * 9, camera=Camera(gain_adu_per_electron=0.5),
            ),
            spread=Spread(modulation=((0.02,),) * 3, log_damping=0.1),
            assumed=("read noise",),
        )
        for level in photons
    ]  # fmt: skip
    return FittedStacks(stacks=tuple(stacks))


@pytest.fixture
def file(tmp_path):
    write_fitted(tmp_path / "like.json", fitted(60.0, 90.0))
    return tmp_path / "like.json"


def test_the_file_holds_what_was_fitted(file):
    assert read_fitted(str(file)) == fitted(60.0, 90.0)
    assert read_fitted(str(file)).n_phases == 3


def test_scenes_lie_beside_the_file(tmp_path):
    scene = np.random.default_rng(0).random((64, 96)).astype(np.float32)
    write_fitted(tmp_path / "like.json", FittedStacks(stacks=fitted(60.0).stacks, scenes=(scene,)))
    (found,) = read_fitted(str(tmp_path / "like.json")).scenes
    np.testing.assert_allclose(found, scene, atol=1e-3)
    (tmp_path / "like_scenes.npz").unlink()
    moved = shutil.copy(tmp_path / "like.json", tmp_path / "alone.json")
    with pytest.raises(DataError, match=r"like_scenes\.npz cannot be read"):
        read_fitted(str(moved))


def test_a_training_is_repeated_from_the_file_alone(file, tmp_path):
    other = shutil.copy(file, tmp_path / "copy.json")
    first = any_source("like", {**TINY, "like": str(file)}, patch_px=32, seed=3)
    second = any_source("like", {**TINY, "like": str(other)}, patch_px=32, seed=3)
    for one, two in zip(
        first.batch(np.arange(2), np.random.default_rng(0)),
        second.batch(np.arange(2), np.random.default_rng(0)),
        strict=True,
    ):
        assert (one == two).all()
    assert tuple(two.shape) == (2, 2, 64, 64)


def test_the_memory_of_the_pool_is_told_beforehand(file):
    options = {**TINY, "like": str(file)}
    pool = make_source(options, patch_px=32, seed=3)._pool
    assert data_bytes("like", options) == pool.inputs.nbytes + pool.targets.nbytes


def test_the_card_tells_the_microscope_and_no_path(file):
    told = make_source({**TINY, "like": str(file)}, patch_px=32, seed=3).describe()
    assert told["card"]["input"] == {"kind": "wiener-channels", "n_angles": 3, "n_phases": [3]}
    assert told["card"]["frames"]["total"] == 9
    assert told["card"]["optics"] == {"na": 1.3, "emission_nm": 560}
    assert told["card"]["pixel_size_um"] == 0.07
    assert [s["conditions"]["photons"] for s in told["fitted"]] == [60, 90]
    assert str(file.parent) not in json.dumps(told)


def test_held_out_fields_hold_no_scene_that_training_saw(file):
    """With scenes everywhere in training, the test is what it is without."""
    scenes = FittedStacks(stacks=fitted(60.0, 90.0).stacks, scenes=(np.eye(128, dtype=np.float32),))
    write_fitted(file.with_name("scenes.json"), scenes)
    plain = LikePairs(LikeOptions(**TINY, like=str(file)), patch_px=32, seed=3)
    only_scenes = LikePairs(
        LikeOptions(**TINY, like=str(file.with_name("scenes.json")), scenes=1.0), patch_px=32, seed=3
    )
    for (a, _, _), (b, _, _) in zip(plain.test(), only_scenes.test(), strict=True):
        assert (a == b).all()
    for (a, _, _), (b, _, _), (c, _, _) in zip(
        plain.proof(), only_scenes.proof(), plain.test(), strict=False
    ):
        assert (a == b).all()
        assert not (a == c).all()
    trained = [s.batch(np.arange(2), np.random.default_rng(0))[1] for s in (plain, only_scenes)]
    assert not (trained[0] == trained[1]).all()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda c: c.update(format_version=9), "no fitted conditions of this version"),
        (lambda c: c.update(stacks=[]), "holds no stacks"),
        (lambda c: c["stacks"][0].pop("spread"), "stack 1 has no conditions with their spread"),
        (lambda c: c["stacks"][1]["conditions"].update(hase=1), "stack 2: .*unknown key 'hase'"),
        (lambda c: c["stacks"][0]["spread"].update(log_damping=-1), "stack 1: .*log_damping"),
        (lambda c: c["stacks"][0]["spread"].update(modulation=[[0.1]]), "stack 1 has a spread"),
        (lambda c: c["stacks"][1]["conditions"]["optics"].update(na=1.2), "stack 2 is not of the same"),
        (lambda c: c["stacks"].__setitem__(0, "stack"), "stack 1 has no conditions"),
    ],
)
def test_a_damaged_file_is_refused_with_its_place(file, change, said):
    content = json.loads(file.read_text())
    change(content)
    file.with_name("damaged.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match=said):
        read_fitted(str(file.with_name("damaged.json")))


def test_a_missing_file_and_a_foreign_one_are_refused(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        read_fitted(str(tmp_path / "none.json"))
    (tmp_path / "text.json").write_text("conditions")
    with pytest.raises(DataError, match="not JSON"):
        read_fitted(str(tmp_path / "text.json"))


def test_options_of_another_kind_are_refused(file):
    with pytest.raises(ConfigError, match="unknown setting 'like_paper'"):
        make_source({**TINY, "like": str(file), "like_paper": 0.5}, patch_px=32, seed=0)
    with pytest.raises(ConfigError, match="setting 'like'"):
        make_source(TINY, patch_px=32, seed=0)


@hypothesis.given(st.integers(2, 20), st.integers(2, 20), st.floats(0.1, 10), st.integers(0, 2**31))
def test_a_shrunk_scene_has_no_step_at_its_border_and_the_scale_does_not_matter(rows, columns, factor, seed):
    density = np.random.default_rng(seed).random((2 * rows, 2 * columns)) + 0.01
    scene = shrunk_scene(density)
    assert scene.shape == density.shape
    assert scene.mean() == pytest.approx(1, abs=1e-4)
    np.testing.assert_array_equal(scene, scene[::-1])
    np.testing.assert_array_equal(scene, scene[:, ::-1])
    np.testing.assert_allclose(shrunk_scene(factor * density), scene, rtol=1e-4)
    small = density.reshape(rows, 2, columns, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(scene[:rows, :columns], small / small.mean(), rtol=1e-4)
