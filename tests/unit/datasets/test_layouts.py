import pytest

from dlsim_ij.datasets.layouts import FolderNames, find_fields
from dlsim_ij.errors import DataError, LayoutError


def names(raw):
    return [file.name for file in raw.files]


@pytest.mark.parametrize("base", [0, 1])
def test_the_seeds_folders_in_both_ways_of_counting(seed_sim, base):
    found = find_fields(seed_sim(2, base=base))
    assert (found.layout, found.frames) == ("seed-sim", 15)
    field = found.fields[1]
    assert field.name == "Sample_2"
    last = "14" if base == 0 else "15"
    for raw, prefix in ((field.normal, "HE"), (field.low, "LE")):
        assert len(raw.files) == 15
        assert raw.files[-1].name == f"{prefix}_{last}.tif"
        assert raw.files[1].name == f"{prefix}_{'01' if base == 0 else '2'}.tif"  # 2 comes before 10
    assert (field.truth.name, field.low_truth.parent.name) == ("Sample_2.tif", "LER")


def test_mean_and_maximum_behind_the_frames_are_no_frames(seed_sim):
    field = find_fields(seed_sim(1, base=0, summaries=True)).fields[0]
    assert names(field.normal)[-1] == "HE_14.tif"
    assert [path.name for path in field.normal.summaries] == ["HE_15.tif", "HE_16.tif"]


def test_frames_enlarged_already_are_found_and_native_ones_win(seed_sim):
    raw = seed_sim(1)
    (raw / "HE").rename(raw / "HE_X2")
    assert find_fields(raw).fields[0].normal.where.parent.name == "HE_X2"
    (raw / "LE").rename(raw / "HE")
    (raw / "LER").rename(raw / "gone")
    assert find_fields(raw).fields[0].normal.where.parent.name == "HE"


def test_samples_are_in_natural_order(seed_sim):
    found = find_fields(seed_sim(11, frames=1), frames=1)
    assert [field.name for field in found.fields] == [f"Sample_{i}" for i in range(1, 12)]


def test_the_srrf_folders(seed_srrf):
    found = find_fields(seed_srrf(2))
    assert (found.layout, found.frames) == ("seed-srrf", 20)
    field = found.fields[0]
    assert names(field.low)[0] == "LE_00.tif"
    assert (field.name, field.truth.name, field.low_truth.name) == ("cell1", "SRRF_100ms.tif", "SRRF_1ms.tif")


def test_plain_stacks_under_any_names(stacks):
    assert [field.name for field in find_fields(stacks(2)).fields] == ["cell 1", "cell 2"]
    folder = stacks(1, raw_name="frames/green", truth_name="sim")
    found = find_fields(folder, "stacks", names=FolderNames(normal="frames/green", truth="sim"))
    assert found.fields[0].truth.parent.name == "sim"


def test_a_stack_may_be_a_folder_whose_mean_is_no_frame(seed_sim, tmp_path):
    raw = seed_sim(1, base=0, summaries=True, low=False)
    (raw / "HE").rename(raw / "raw")
    (raw / "HER").rename(raw / "truth")
    (field,) = find_fields(raw).fields
    assert (len(field.normal.files), len(field.normal.summaries)) == (15, 2)


@pytest.mark.parametrize("path", ["HE/Sample_2", "LE/Sample_2", "HER/Sample_2.tif", "LER/Sample_2.tif"])
def test_a_missing_partner_is_named(seed_sim, path, tmp_path):
    raw = seed_sim(3)
    (raw / path).rename(tmp_path / "moved")
    with pytest.raises(DataError, match=f"missing partner: .*{path}"):
        find_fields(raw)


def test_a_missing_srrf_partner_is_named(seed_srrf):
    raw = seed_srrf(2)
    (raw / "cell2" / "SRRF_1ms.tif").unlink()
    with pytest.raises(DataError, match=r"missing partner: .*cell2/SRRF_1ms\.tif"):
        find_fields(raw)


def test_a_gap_in_the_frames_is_named(seed_sim):
    raw = seed_sim(1)
    (raw / "HE/Sample_1/HE_7.tif").unlink()
    with pytest.raises(
        LayoutError, match=r"HE/Sample_1 holds 14 frames, 15 were expected: HE_7\.tif is miss"
    ):
        find_fields(raw)


def test_a_gap_in_padded_names_is_named_as_padded(seed_sim):
    raw = seed_sim(1, base=0)
    (raw / "LE/Sample_1/LE_07.tif").unlink()
    with pytest.raises(LayoutError, match=r"LE_07\.tif is missing"):
        find_fields(raw)


@pytest.mark.parametrize(("frames", "asked"), [(9, None), (15, 9)])
def test_a_wrong_number_of_frames_is_refused(seed_sim, frames, asked):
    raw = seed_sim(1, frames=frames)
    with pytest.raises(
        LayoutError, match=f"Sample_1 holds {frames} frames, {asked or 15} were expected"
    ) as refusal:
        find_fields(raw, frames=asked)
    assert f"--frames {frames}" in refusal.value.hint


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("HE_01.tif", "are the same frame"),
        ("LE_1.tif", "mixes two series"),
        ("stray.tif", "no frame number"),
    ],
)
def test_a_stray_file_is_named(seed_sim, name, words):
    raw = seed_sim(1)
    sample = raw / "HE/Sample_1"
    (sample / name).write_bytes((sample / "HE_2.tif").read_bytes())
    with pytest.raises(LayoutError, match=words):
        find_fields(raw)


def test_hidden_files_are_overlooked(seed_sim):
    raw = seed_sim(1)
    (raw / "HE" / ".DS_Store").write_bytes(b"x")
    (raw / "HE/Sample_1/._HE_1.tif").write_bytes(b"x")
    assert len(find_fields(raw).fields) == 1


def test_folders_that_hold_nothing_are_refused(tmp_path, stacks):
    with pytest.raises(DataError, match="does not exist"):
        find_fields(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="it is empty"):
        find_fields(tmp_path / "empty")
    (tmp_path / "empty" / "HE").mkdir()
    with pytest.raises(DataError, match=r"no folder HER/"):
        find_fields(tmp_path / "empty")
    (tmp_path / "empty" / "HER").mkdir()
    with pytest.raises(DataError, match=r"HE/, HER/ hold no TIFF"):
        find_fields(tmp_path / "empty")
    twice = stacks(1)
    (twice / "raw" / "cell 1.tiff").write_bytes(b"x")
    with pytest.raises(DataError, match="same name"):
        find_fields(twice)
