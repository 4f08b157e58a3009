import json
from pathlib import Path

import numpy as np
import pytest
import tifffile

from dlsim_ij.datasets import PrepareSettings, prepare_dataset
from dlsim_ij.datasets.field_file import open_field, read_header
from dlsim_ij.datasets.index import read_index
from dlsim_ij.datasets.plan import plan_dataset
from dlsim_ij.datasets.prepare import enlarge
from dlsim_ij.errors import DataError, ImageError, LayoutError, OutputError
from dlsim_ij.images import bicubic_enlarge

SMALL = PrepareSettings(tile_px=32, background="none")


class CountingResize:
    """ImageJ's bicubic that counts, and breaks off when told to."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.calls = 0
        self.stop_after = stop_after

    def __call__(self, image: np.ndarray, scale: int) -> np.ndarray:
        if self.calls == self.stop_after:
            raise KeyboardInterrupt
        self.calls += 1
        return bicubic_enlarge(image, scale)


def everything_in(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def read_frames(raw: Path, kind: str, sample: str, frames: int = 15) -> np.ndarray:
    return np.stack([tifffile.imread(raw / kind / sample / f"{kind}_{i + 1}.tif") for i in range(frames)])


def test_frames_are_enlarged_once_and_truth_is_kept(seed_sim, tmp_path):
    raw, resize = seed_sim(3), CountingResize()
    prepared = prepare_dataset(raw, tmp_path / "set", SMALL, resize=resize)
    assert resize.calls == 3 * 2 * 15  # and not once per tile
    assert prepared.patches == prepared.patches_in_grid == 3 * 4
    index = read_index(tmp_path / "set")
    assert (index.frames, index.enlargement, index.truth_scale) == (15, 2, 1)
    assert index.kinds == ("normal", "low", "truth", "low_truth")
    for entry in index.fields:
        tensors = open_field(tmp_path / "set" / entry.file)
        frames = read_frames(raw, "HE", entry.name)
        assert tensors["normal"].dtype == np.uint16
        assert tensors["normal"].shape == (15, 64, 64)
        np.testing.assert_array_equal(tensors["normal"][7], bicubic_enlarge(frames[7], 2))
        np.testing.assert_array_equal(tensors["truth"], tifffile.imread(raw / "HER" / f"{entry.name}.tif"))
        assert entry.tiles == ((0, 0), (0, 32), (32, 0), (32, 32))


def test_constants_are_the_maxima_of_all_frames(seed_sim, tmp_path):
    raw = seed_sim(2)
    frame = tifffile.imread(raw / "LE/Sample_2/LE_15.tif")  # the seed looked at the first frame alone
    frame[10:13, 10:13] = 999
    tifffile.imwrite(raw / "LE/Sample_2/LE_15.tif", frame)
    prepared = prepare_dataset(
        raw, tmp_path / "set", PrepareSettings(tile_px=32, scale=1, background="none"), resize=bicubic_enlarge
    )
    assert prepared.constants["LE"] == 999
    expected = max(read_frames(raw, "HE", f"Sample_{i}").max() for i in (1, 2))
    assert prepared.constants["HE"] == expected
    truth = max(tifffile.imread(raw / f"HER/Sample_{i}.tif").max() for i in (1, 2))
    assert prepared.constants["HER"] == truth
    assert set(prepared.constants) == {"HE", "LE", "HER", "LER"}


def test_the_border_is_left_out_of_tiles_and_constants(seed_sim, tmp_path):
    raw = seed_sim(1)
    truth = tifffile.imread(raw / "HER/Sample_1.tif")
    truth[:4] = 60000  # what a reconstruction does at its edge
    tifffile.imwrite(raw / "HER/Sample_1.tif", truth)
    settings = PrepareSettings(tile_px=32, border_px=4, background="none")
    prepared = prepare_dataset(raw, tmp_path / "set", settings, resize=bicubic_enlarge)
    assert prepared.constants["HER"] < 60000
    (entry,) = prepared.index.fields
    assert entry.tiles == ((4, 4), (4, 28), (28, 4), (28, 28))


def test_native_pixels_can_be_kept(stacks, tmp_path):
    raw = stacks(2)
    prepared = prepare_dataset(
        raw, tmp_path / "set", SMALL.model_copy(update={"scale": 1}), resize=CountingResize(stop_after=0)
    )
    assert (prepared.index.enlargement, prepared.index.truth_scale) == (1, 2)
    entry = prepared.index.fields[0]
    tensors = open_field(tmp_path / "set" / entry.file)
    np.testing.assert_array_equal(tensors["normal"], tifffile.imread(raw / "raw" / "cell 1.tif"))


def test_enlargement_by_five_for_srrf(stacks, tmp_path):
    raw = stacks(1, frames=20, ratio=5, side=16)
    prepared = prepare_dataset(raw, tmp_path / "set", PrepareSettings(tile_px=40), resize=bicubic_enlarge)
    assert (prepared.index.enlargement, prepared.index.frames) == (5, 20)


def test_float_truths_stay_float(seed_srrf, tmp_path):
    prepared = prepare_dataset(
        seed_srrf(2), tmp_path / "set", PrepareSettings(tile_px=32), resize=bicubic_enlarge
    )
    tensors = open_field(tmp_path / "set" / prepared.index.fields[0].file)
    assert tensors["truth"].dtype == np.float32
    assert tensors["low"].dtype == np.uint16


def test_background_tests_decide_which_tiles_stay(seed_sim, tmp_path):
    raw = seed_sim(1, side=64)
    truth = np.random.default_rng(0).normal(1000, 20, (128, 128))
    truth[10:40, 10:40] += 3000
    tifffile.imwrite(raw / "HER/Sample_1.tif", truth.astype(np.uint16))
    kept = {}
    for name in ("signal", "max", "none"):
        settings = PrepareSettings(tile_px=64, background=name)
        kept[name] = prepare_dataset(raw, tmp_path / name, settings, resize=bicubic_enlarge).patches
    # camera offset alone passes the seed's 500 counts
    assert kept == {"signal": 1, "max": 4, "none": 4}
    settings = PrepareSettings(tile_px=64, background="max", min_max_counts=2000)
    assert prepare_dataset(raw, tmp_path / "2000", settings, resize=bicubic_enlarge).patches == 1


def test_an_empty_field_is_a_warning(seed_sim, tmp_path):
    raw = seed_sim(3)
    tifffile.imwrite(raw / "HER/Sample_2.tif", np.zeros((64, 64), dtype=np.uint16))
    prepared = prepare_dataset(raw, tmp_path / "set", PrepareSettings(tile_px=32), resize=bicubic_enlarge)
    assert any("no tile passed the background test in Sample_2" in text for text in prepared.warnings)


def test_an_interrupted_preparation_goes_on(seed_sim, tmp_path):
    raw = seed_sim(3)
    whole = prepare_dataset(raw, tmp_path / "whole", SMALL, resize=bicubic_enlarge)
    output = tmp_path / "set"
    with pytest.raises(KeyboardInterrupt):
        prepare_dataset(raw, output, SMALL, resize=CountingResize(stop_after=40))
    with pytest.raises(DataError, match="is not finished"):
        read_index(output)
    assert [path.name for path in (output / "fields").iterdir()] == ["Sample_1.safetensors"]
    (output / "fields/.Sample_2.00.part.safetensors").write_bytes(b"killed")
    resize = CountingResize()
    prepared = prepare_dataset(raw, output, SMALL, resize=resize)
    assert resize.calls == 2 * 30
    assert (prepared.fields_kept, prepared.fields_made) == (1, 2)
    assert everything_in(output) == everything_in(tmp_path / "whole")
    assert prepared.index == whole.index


def test_resume_keeps_what_is_still_true(seed_sim, tmp_path):
    raw, output = seed_sim(4), tmp_path / "set"
    prepare_dataset(raw, output, SMALL, resize=bicubic_enlarge)
    frame = tifffile.imread(raw / "LE/Sample_3/LE_4.tif")
    tifffile.imwrite(raw / "LE/Sample_3/LE_4.tif", frame + 1)
    for path in ("HE/Sample_4", "LE/Sample_4", "HER/Sample_4.tif", "LER/Sample_4.tif"):
        (raw / path).rename(tmp_path / path.replace("/", "-"))
    prepared = prepare_dataset(raw, output, SMALL, resize=bicubic_enlarge, resume=True)
    assert (prepared.fields_kept, prepared.fields_made) == (2, 1)
    assert sorted(path.stem for path in (output / "fields").iterdir()) == ["Sample_1", "Sample_2", "Sample_3"]
    tensors = open_field(output / "fields/Sample_3.safetensors")
    np.testing.assert_array_equal(tensors["low"][3], bicubic_enlarge(frame + 1, 2))


def test_tiles_and_split_change_without_enlarging_again(seed_sim, tmp_path):
    raw, output = seed_sim(3), tmp_path / "set"
    prepare_dataset(raw, output, SMALL, resize=bicubic_enlarge)
    settings = PrepareSettings(tile_px=64, seed=3, background="none")
    prepared = prepare_dataset(raw, output, settings, resize=CountingResize(stop_after=0), resume=True)
    assert (prepared.patches, prepared.fields_kept) == (3, 3)
    native = PrepareSettings(tile_px=64, scale=1, background="none")
    assert prepare_dataset(raw, output, native, resize=bicubic_enlarge, resume=True).fields_made == 3


def test_a_damaged_field_file_is_made_again(seed_sim, tmp_path):
    raw, output = seed_sim(2), tmp_path / "set"
    prepare_dataset(raw, output, SMALL, resize=bicubic_enlarge)
    field = output / "fields/Sample_1.safetensors"
    field.write_bytes(field.read_bytes()[:-7])
    assert prepare_dataset(raw, output, SMALL, resize=bicubic_enlarge, resume=True).fields_made == 1
    assert read_header(field)["format"] == "dlsim-field"


def test_what_is_in_the_way_is_not_touched(seed_sim, tmp_path):
    raw, output = seed_sim(2), tmp_path / "set"
    output.mkdir()
    (output / "thesis.txt").write_text("mine")
    for options in ({}, {"overwrite": True}, {"resume": True}):
        with pytest.raises(OutputError, match="no dataset of dlsim"):
            prepare_dataset(raw, output, SMALL, resize=bicubic_enlarge, **options)
    assert [path.name for path in output.iterdir()] == ["thesis.txt"]


def test_a_finished_dataset_is_replaced_only_when_asked(seed_sim, tmp_path):
    raw, output = seed_sim(2), tmp_path / "set"
    prepare_dataset(raw, output, SMALL, resize=bicubic_enlarge)
    before = everything_in(output)
    with pytest.raises(OutputError, match="finished dataset already"):
        prepare_dataset(raw, output, SMALL, resize=bicubic_enlarge)
    assert everything_in(output) == before
    resize = CountingResize()
    prepare_dataset(raw, output, SMALL, resize=resize, overwrite=True)
    assert resize.calls == 60
    assert everything_in(output) == before


def test_an_unfinished_dataset_of_something_else_is_refused(seed_sim, tmp_path):
    raw, output = seed_sim(2), tmp_path / "set"
    with pytest.raises(KeyboardInterrupt):
        prepare_dataset(raw, output, SMALL, resize=CountingResize(stop_after=40))
    with pytest.raises(OutputError, match="with other settings"):
        prepare_dataset(raw, output, PrepareSettings(tile_px=64), resize=bicubic_enlarge)
    assert (
        prepare_dataset(
            raw, output, PrepareSettings(tile_px=64), resize=bicubic_enlarge, resume=True
        ).fields_kept
        == 1
    )


def write(path, shape, dtype=np.uint16):
    image = np.random.default_rng(0).integers(0, 99, shape).astype(dtype)
    tifffile.imwrite(path, image, photometric="minisblack")


@pytest.mark.parametrize(
    ("path", "shape", "error", "words"),
    [
        ("HE/Sample_2/HE_3.tif", (32, 30), DataError, r"HE_3\.tif has 32 x 30 pixels, not 32 x 32"),
        ("LE/Sample_2/LE_1.tif", (30, 30), DataError, r"LE_1\.tif has 30 x 30 pixels"),
        ("HER/Sample_2.tif", (64, 96), DataError, r"Sample_2\.tif has 64 x 96 pixels, its frames 32 x 32"),
        ("HER/Sample_2.tif", (50, 50), DataError, "no whole multiple"),
        ("HER/Sample_2.tif", (16, 16), DataError, "no whole multiple"),
        ("LER/Sample_2.tif", (32, 32), DataError, r"LER/Sample_2\.tif has 32 x 32 pixels, not 64 x 64"),
        ("HER/Sample_2.tif", (96, 96), DataError, "3 times larger than its raw frames, .* 2 times|LER"),
        ("HER/Sample_2.tif", (3, 64, 64), LayoutError, "holds 3 planes"),
    ],
)
def test_images_that_do_not_fit_are_named(seed_sim, tmp_path, path, shape, error, words):
    raw = seed_sim(2)
    write(raw / path, shape)
    with pytest.raises(error, match=words):
        prepare_dataset(raw, tmp_path / "set", SMALL, resize=bicubic_enlarge)


def test_fields_of_two_sizes_need_a_word(seed_sim, stacks, tmp_path):
    raw = stacks(2)
    write(raw / "raw" / "cell 2.tif", (15, 48, 40))
    write(raw / "truth" / "cell 2.tif", (96, 80))
    with pytest.raises(DataError, match=r"cell 2\.tif has 96 x 80 pixels, .*cell 1\.tif has 64 x 64"):
        prepare_dataset(raw, tmp_path / "set", SMALL, resize=bicubic_enlarge)
    settings = SMALL.model_copy(update={"allow_mixed_sizes": True})
    prepared = prepare_dataset(raw, tmp_path / "set", settings, resize=bicubic_enlarge)
    assert prepared.patches == 4 + 9


def test_stacks_of_another_length_are_named(stacks, tmp_path):
    raw = stacks(2)
    write(raw / "raw" / "cell 2.tif", (14, 32, 32))
    with pytest.raises(LayoutError, match=r"cell 2\.tif holds 14 frames, 15 were expected"):
        prepare_dataset(raw, tmp_path / "set", SMALL, resize=bicubic_enlarge)
    assert not (tmp_path / "set").exists()


def test_a_file_behind_the_frames_that_is_a_frame_is_noticed(seed_sim, tmp_path):
    raw = seed_sim(1, base=0, summaries=True)
    prepare_dataset(raw, tmp_path / "fine", SMALL, resize=bicubic_enlarge)
    write(raw / "HE/Sample_1/HE_15.tif", (32, 32))
    with pytest.raises(LayoutError, match=r"HE_15\.tif is behind the last of 15 frames"):
        prepare_dataset(raw, tmp_path / "set", SMALL, resize=bicubic_enlarge)


def test_unreadable_and_dark_files_are_named(seed_sim, tmp_path):
    raw = seed_sim(2)
    whole = (raw / "HE/Sample_2/HE_9.tif").read_bytes()
    (raw / "HE/Sample_2/HE_9.tif").write_bytes(whole[:200])
    with pytest.raises(ImageError, match=r"HE_9\.tif"):
        prepare_dataset(raw, tmp_path / "set", SMALL, resize=bicubic_enlarge)
    (raw / "HE/Sample_2/HE_9.tif").write_bytes(whole)
    for i in range(1, 16):
        tifffile.imwrite(raw / f"LE/Sample_2/LE_{i}.tif", np.zeros((32, 32), np.uint16))
    with pytest.raises(ImageError, match=r"field Sample_2, low frames: .*no contrast"):
        prepare_dataset(raw, tmp_path / "set", SMALL, resize=bicubic_enlarge)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"scale": 3}, "enlarged 3 times do not fit a truth 2 times"),
        ({"tile_px": 128}, "field Sample_1: .* holds no tile of 128"),
        ({"tile_px": 33}, "multiples of 2"),
        ({"border_px": 20}, "without its border of 20 holds no tile"),
        ({"fractions": (0.5, 0.1, 0.1)}, "not three parts of 1"),
    ],
)
def test_settings_that_do_not_fit_are_refused_before_any_work(seed_sim, tmp_path, changes, words):
    settings = SMALL.model_copy(update=changes)
    with pytest.raises(DataError, match=words):
        prepare_dataset(seed_sim(1), tmp_path / "set", settings, resize=bicubic_enlarge)
    assert not (tmp_path / "set").exists()


def test_a_disk_that_is_too_small_is_noticed_before_the_first_field(seed_sim, tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 1000}))
    with pytest.raises(OutputError, match=r"needs 0\.00 GB, .* left"):
        prepare_dataset(seed_sim(1), tmp_path / "set", SMALL, resize=CountingResize(stop_after=0))
    assert not (tmp_path / "set").exists()


def test_a_plan_foretells_the_size(seed_sim, tmp_path):
    raw = seed_sim(2)
    plan = plan_dataset(raw, SMALL)
    prepare_dataset(raw, tmp_path / "set", SMALL, resize=bicubic_enlarge)
    written = sum(path.stat().st_size for path in (tmp_path / "set/fields").iterdir())
    assert plan.nbytes == pytest.approx(written, rel=0.02)


def test_every_input_is_in_the_index_with_its_hash(seed_sim, tmp_path):
    raw = seed_sim(1)
    prepare_dataset(raw, tmp_path / "set", SMALL, resize=bicubic_enlarge)
    inputs = json.loads((tmp_path / "set/dataset.json").read_text())["fields"][0]["inputs"]
    assert len(inputs) == 32
    import hashlib

    for path, digest in inputs.items():
        assert hashlib.sha256((raw / path).read_bytes()).hexdigest() == digest


@pytest.mark.parametrize(
    ("text", "words"),
    [("{", "the file"), ('{"version": 2}', "version"), ("[]", "the file")],
)
def test_a_damaged_index_is_refused(tmp_path, text, words):
    (tmp_path / "dataset.json").write_text(text)
    with pytest.raises(DataError, match=rf"dataset\.json cannot be used: .*{words}"):
        read_index(tmp_path)


def test_sixteen_bits_are_rounded_and_clipped():
    plane = np.array([[0, 65535], [3, 4]], dtype=np.uint16)
    spread = np.array([[-3.0, 70000.0], [2.4, 2.5]])
    assert enlarge(plane, 2, lambda image, scale: spread).tolist() == [[0, 65535], [2, 3]]
    assert enlarge(plane, 1, None) is plane
