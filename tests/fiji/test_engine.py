"""`Fiji`: ImageJ's numbers and numpy's, files, and what it says about itself."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dlsim_ij.errors import FijiError, ImageError, OutputError
from dlsim_ij.fiji import Fiji

pytestmark = pytest.mark.jvm

shared_java = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60
)


@shared_java
@given(
    height=st.integers(1, 24), width=st.integers(1, 24),
    scale=st.sampled_from([0.5, 0.77, 1, 1.5, 2, 3.3, 5]),
    dtype=st.sampled_from(["uint8", "uint16", "float32"]), seed=st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_java_and_numpy_resize_alike(fiji, height, width, scale, dtype, seed):
    array = (np.random.default_rng(seed).random((height, width)) * 250).astype(dtype)
    try:
        expected = Fiji(engine="none").resize(array, scale)
    except ImageError:
        return  # an empty output, or a line that is to become a pixel: ImageJ answers NaN
    found = fiji.resize(array, scale)
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-4)


def test_resize_keeps_axes_and_adapts_the_pixel_size(fiji):
    array = xr.DataArray(
        np.random.default_rng(0).random((3, 8, 10), np.float32), dims=("I", "Y", "X"),
        attrs={"pixel_size_um": 0.13, "labels": ["a", "b", "c"]},
    )  # fmt: skip
    for engine in (fiji, Fiji(engine="none")):
        big = engine.resize(array, 2)
        assert big.dims == ("I", "Y", "X")
        assert big.shape == (3, 16, 20)
        assert big.attrs == {"pixel_size_um": 0.065, "labels": ["a", "b", "c"]}
    assert array.attrs["pixel_size_um"] == 0.13
    np.testing.assert_array_equal(fiji.resize(array.values, 2), fiji.resize(array, 2).values)


@pytest.mark.parametrize(
    ("array", "scale", "error"),
    [
        (np.ones((4, 4)), 0, "scale 0 is not"),
        (np.ones((4, 4)), float("nan"), "scale nan is not"),
        (np.ones((4, 4)), 0.01, "is empty"),
        (np.ones((4, 4), complex), 2, "complex128 pixels cannot be resized"),
        (np.ones(4), 2, "1 axes does not tell"),
    ],
)
def test_a_resize_that_makes_no_sense_is_refused(fiji, array, scale, error):
    for engine in (fiji, Fiji(engine="none")):
        with pytest.raises(ImageError, match=error):
            engine.resize(array, scale)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_java_and_numpy_measure_alike(fiji, dtype):
    array = xr.DataArray(
        (np.random.default_rng(1).random((2, 31, 17)) * 200).astype(dtype), dims=("I", "Y", "X"),
        attrs={"pixel_size_um": 0.1},
    )  # fmt: skip
    java, plain = fiji.measure(array), Fiji(engine="none").measure(array)
    assert len(java) == len(plain) == 2
    for found, expected in zip(java, plain, strict=True):
        assert found.to_dict() == pytest.approx(expected.to_dict(), rel=1e-6)
    assert java[0].area_um2 == pytest.approx(31 * 17 * 0.01)


@pytest.mark.parametrize("name", ["a b.tif", "ü&;'.tif", "c.png"])
def test_files_written_by_imagej_are_read_by_imagej(fiji, tmp_path, name):
    array = np.random.default_rng(2).integers(0, 255, (20, 30), dtype=np.uint8)
    path = fiji.save(array, tmp_path / name)
    back = fiji.open(path)
    np.testing.assert_array_equal(back.values, array)
    assert back.attrs["source"] == str(path)
    with pytest.raises(OutputError, match="exists already"):
        fiji.save(array, path)
    fiji.save(array + 1, path, overwrite=True)
    assert list(tmp_path.iterdir()) == [path]


def test_a_stack_goes_through_a_file_with_its_calibration(fiji, tmp_path):
    array = xr.DataArray(
        np.random.default_rng(3).random((3, 2, 8, 9)).astype(np.float32), dims=("T", "C", "Y", "X"),
        attrs={"pixel_size_um": 0.065, "labels": list("abcdef")},
    )  # fmt: skip
    back = fiji.open(fiji.save(array, tmp_path / "stack.tif"))
    xr.testing.assert_equal(back.drop_attrs(), array.drop_attrs())
    assert back.attrs["pixel_size_um"] == pytest.approx(0.065)
    assert back.attrs["labels"] == list("abcdef")


def test_files_that_cannot_be_are_refused(fiji, tmp_path):
    (tmp_path / "text.tif").write_text("no image")
    with pytest.raises(ImageError, match=r"imagej cannot open .*text\.tif"):
        fiji.open(tmp_path / "text.tif")
    with pytest.raises(ImageError, match="a series is chosen by Bio-Formats") as caught:
        fiji.open(tmp_path / "text.tif", series=2)
    assert "--fiji or DLSIM_FIJI" in caught.value.hint
    with pytest.raises(ImageError, match="does not exist"):
        fiji.open(tmp_path / "none.tif")
    with pytest.raises(ImageError, match=r"writes no '.xyz'"):
        fiji.save(np.ones((4, 4), np.uint8), tmp_path / "a.xyz")


def test_it_says_what_it_is(fiji):
    told = fiji.describe()
    assert told["engine"] == fiji.name == "imagej"
    assert told["version"].startswith("1.5")
    assert told["way"] == "jar"
    assert told["source"].endswith("ij.jar")
    assert {"resize", "macros", "measure", "open", "save"} <= fiji.capabilities
    assert repr(fiji) == f"<Fiji imagej {fiji.version}>"
    assert repr(Fiji()) == "<Fiji, not started, engine='auto'>"
    with pytest.raises(FijiError, match="'imagej' has no gateway"):
        fiji.gateway  # noqa: B018


def test_two_blocks_in_one_process_share_java(fiji):
    for _ in range(2):
        with Fiji() as again:
            assert (
                again.run_macro("return getVersion();").value == fiji.run_macro("return getVersion();").value
            )


def test_what_contradicts_the_running_java_is_refused(fiji, tmp_path):
    with pytest.raises(FijiError, match=r"already runs imagej from .*, so fiji cannot start"):
        Fiji(engine="fiji", path=tmp_path).start()
    with pytest.raises(FijiError, match="already runs imagej"):
        Fiji(path=tmp_path).start()
    with pytest.raises(FijiError, match="without windows"):
        Fiji(mode="interactive").start()
    assert Fiji(engine="imagej", path=tmp_path).start().name == "imagej"  # the folder is for the engine fiji


def test_commands_are_known_by_name(fiji):
    assert "commands" in fiji.capabilities, "this test needs Xvfb: apt install xvfb"
    assert fiji.has_command("Gaussian Blur...")
    assert not fiji.has_command("Gaussian Blurr...")
    assert fiji.plugins() == sorted(fiji.plugins())


@pytest.mark.parametrize("wrong", [{"engine": "figi"}, {"mode": "hedless"}])
def test_misspelt_words_are_corrected(wrong):
    with pytest.raises(FijiError, match="did you mean"):
        Fiji(**wrong)


def test_without_java_each_refusal_says_what_is_missing():
    none = Fiji(engine="none")
    assert none.describe() == {
        "engine": "none",
        "version": none.version,
        "way": None,
        "java": None,
        "source": None,
    }
    for call in (
        lambda: none.run_macro("a=1;"),
        lambda: none.run_command("Invert"),
        lambda: none.to_imageplus([[1]]),
    ):
        with pytest.raises(FijiError, match="needs ImageJ, and the engine is 'none'") as caught:
            call()
        assert "libij-java" in caught.value.hint
    assert none.plugins() == []


def test_none_reads_and_writes_with_our_own_readers(tmp_path):
    none = Fiji(engine="none")
    array = np.arange(20, dtype=np.uint16).reshape(4, 5)
    np.testing.assert_array_equal(none.open(none.save(array, tmp_path / "a.tif")).values, array)
