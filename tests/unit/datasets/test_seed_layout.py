import numpy as np
import pytest
import tifffile

from dlsim_ij.datasets import PrepareSettings, prepare_dataset
from dlsim_ij.errors import DataError
from dlsim_ij.images import bicubic_enlarge

SETTINGS = PrepareSettings(tile_px=32, background="none")


def test_the_tifs_are_those_of_the_original(seed_sim, tmp_path):
    raw = seed_sim(2)
    prepare_dataset(raw, tmp_path / "set", SETTINGS, resize=bicubic_enlarge, seed_formats=("tif",))
    seed = tmp_path / "set" / "seed"
    assert sorted(path.name for path in seed.iterdir()) == ["HE", "HER", "HE_X2", "LE", "LER", "LE_X2"]
    assert len(list((seed / "HER").iterdir())) == 8
    # tile 6 of 8 is the upper right one of the second field
    frame = tifffile.imread(raw / "LE/Sample_2/LE_3.tif")
    np.testing.assert_array_equal(tifffile.imread(seed / "LE/Sample_6/LE_3.tif"), frame[:16, 16:])
    enlarged = bicubic_enlarge(frame, 2)[:32, 32:]
    np.testing.assert_array_equal(tifffile.imread(seed / "LE_X2/Sample_6/LE_02.tif"), enlarged)
    truth = tifffile.imread(raw / "HER/Sample_2.tif")
    np.testing.assert_array_equal(tifffile.imread(seed / "HER/Sample_6.tif"), truth[:32, 32:])
    frames = np.stack([tifffile.imread(seed / f"HE_X2/Sample_6/HE_{i:02d}.tif") for i in range(17)])
    np.testing.assert_array_equal(frames[15], frames[:15].mean(axis=0).astype(np.uint16))
    np.testing.assert_array_equal(frames[16], frames[:15].max(axis=0))


def test_what_was_written_can_be_prepared_again(seed_sim, tmp_path):
    first = prepare_dataset(
        seed_sim(2), tmp_path / "set", SETTINGS, resize=bicubic_enlarge, seed_formats=("tif",)
    )
    again = prepare_dataset(tmp_path / "set/seed", tmp_path / "again", SETTINGS, resize=bicubic_enlarge)
    assert again.patches == first.patches
    assert again.constants["HER"] == first.constants["HER"]


def test_the_npy_stacks_are_those_of_the_original(seed_sim, tmp_path):
    raw = seed_sim(1)
    prepared = prepare_dataset(raw, tmp_path / "set", SETTINGS, resize=bicubic_enlarge, seed_formats=("npy",))
    seed = tmp_path / "set" / "seed"
    large, small = np.load(seed / "32/Sample_1.npy"), np.load(seed / "16/Sample_1.npy")
    assert (large.shape, small.shape) == ((32, 32, 36), (16, 16, 30))
    assert large.dtype == np.float64
    np.testing.assert_array_equal(large[..., 0], tifffile.imread(raw / "HER/Sample_1.tif")[:32, :32])
    np.testing.assert_array_equal(large[..., 1], tifffile.imread(raw / "LER/Sample_1.tif")[:32, :32])
    native = tifffile.imread(raw / "HE/Sample_1/HE_15.tif")
    np.testing.assert_array_equal(large[..., 16], bicubic_enlarge(native, 2)[:32, :32])
    np.testing.assert_allclose(large[..., 17], large[..., 2:16].mean(axis=-1))  # 14 of 15, as there
    np.testing.assert_array_equal(large[..., 35], large[..., 19:33].max(axis=-1))
    np.testing.assert_array_equal(small[..., 14], native[:16, :16])
    maxima = np.load(seed / "MITO_Max_intensity.npy", allow_pickle=False)
    assert maxima["name"].tolist() == [b"HE", b"LE", b"HE", b"LE"]
    assert maxima["value"].tolist() == [prepared.constants[name] for name in ("HER", "LER", "HE", "LE")]


def test_the_srrf_stacks_are_those_of_the_original(seed_srrf, tmp_path):
    raw = seed_srrf(1)
    prepare_dataset(raw, tmp_path / "set", SETTINGS, resize=bicubic_enlarge, seed_formats=("npy",))
    stack = np.load(tmp_path / "set/seed/Sample_1.npy")
    assert stack.shape == (32, 32, 42)
    np.testing.assert_allclose(stack[..., 0], tifffile.imread(raw / "cell1/SRRF_100ms.tif")[:32, :32])
    np.testing.assert_array_equal(stack[..., 22], tifffile.imread(raw / "cell1/1ms/LE_00.tif")[:32, :32])
    assert (tmp_path / "set/seed/Microtubule_max_intensity.npy").exists()


def test_what_the_original_could_not_hold_is_refused_before_any_work(seed_sim, tmp_path):
    raw = seed_sim(1, low=False)
    with pytest.raises(DataError, match="both light levels"):
        prepare_dataset(raw, tmp_path / "set", SETTINGS, resize=bicubic_enlarge, seed_formats=("npy",))
    native = SETTINGS.model_copy(update={"scale": 1})
    with pytest.raises(DataError, match="on the grid of the truth"):
        prepare_dataset(raw, tmp_path / "set", native, resize=bicubic_enlarge, seed_formats=("tif",))
    assert not (tmp_path / "set").exists()


def test_another_grid_leaves_no_tiles_of_the_old_one(seed_sim, tmp_path):
    raw, output = seed_sim(1), tmp_path / "set"
    prepare_dataset(raw, output, SETTINGS, resize=bicubic_enlarge, seed_formats=("tif",))
    whole = SETTINGS.model_copy(update={"tile_px": 64})
    prepare_dataset(raw, output, whole, resize=bicubic_enlarge, resume=True)
    assert not (output / "seed").exists()


def test_an_interruption_leaves_no_half_layout(seed_sim, tmp_path):
    raw, output = seed_sim(2), tmp_path / "set"

    def stop(done: int, steps: int) -> None:
        assert steps == 4
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare_dataset(raw, output, SETTINGS, resize=bicubic_enlarge, seed_formats=("tif",), progress=stop)
    assert not (output / "seed").exists()
    prepared = prepare_dataset(raw, output, SETTINGS, resize=bicubic_enlarge, seed_formats=("tif",))
    assert prepared.fields_kept == 2
    assert len(list((output / "seed/HER").iterdir())) == 8
