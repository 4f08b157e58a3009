"""How files hold angles, phases, slices, channels and times."""

import numpy as np
import pytest
import xarray as xr

from dlsim_ij.acquisition import arrange, examine, split_storage
from dlsim_ij.errors import ImageError, LayoutError
from dlsim_ij.images import bicubic_enlarge
from dlsim_ij.simulation import draw_structure, random_conditions, simulate_sim

RNG = np.random.default_rng(0)


def coded(sizes):
    """Return numbered planes (T, Z, C, A, P, 4, 4) whose value tells where they belong."""
    shape = tuple(sizes[letter] for letter in "TZCAP")
    numbers = np.arange(np.prod(shape)).reshape(shape)
    return np.broadcast_to(numbers[..., None, None], (*shape, 4, 4)).copy()


@pytest.mark.parametrize("storage", ["CPZAT", "CZTAP", "CZAPT", "PACZT"])
@pytest.mark.parametrize(
    "sizes",
    [
        {"T": 1, "Z": 4, "C": 1, "A": 3, "P": 5},
        {"T": 2, "Z": 3, "C": 2, "A": 3, "P": 5},
        {"T": 2, "Z": 1, "C": 3, "A": 3, "P": 3},
        {"T": 1, "Z": 1, "C": 1, "A": 3, "P": 5},
    ],
)
def test_pages_in_the_order_of_a_microscope(storage, sizes):
    cube = coded(sizes)
    slowest_first = ["TZCAP".index(letter) for letter in storage[::-1]]
    pages = cube.transpose(*slowest_first, 5, 6)
    # as ImageJ reads such a file: the channel changes fastest, all but times is called z
    n_times = sizes["T"] if storage[-1] == "T" else 1
    flat = (
        pages.reshape(n_times, -1, sizes["C"], 4, 4) if storage[0] == "C" else pages.reshape(1, -1, 1, 4, 4)
    )
    if storage[0] != "C" and sizes["C"] > 1:
        return  # a reader cannot know the channels of such a file
    if n_times == 1 and sizes["T"] > 1 and storage != "CZTAP":
        return  # times and slices of such a file look the same
    image = xr.DataArray(flat, dims=("T", "Z", "C", "Y", "X"))
    stacks = split_storage(image, f"{sizes['A']}x{sizes['P']}", storage)
    frames = stacks.frames[..., 0, 0].ravel()
    if n_times == sizes["T"]:
        np.testing.assert_array_equal(frames, np.arange(cube[..., 0, 0].size))
        assert stacks.series == tuple((d, sizes[d]) for d in "TZC" if sizes[d] > 1)
    assert stacks.storage == storage
    assert stacks.n_phases == sizes["P"]


def test_a_mosaic_of_phases_by_angles():
    tiles = np.arange(15).reshape(3, 5)
    picture = np.kron(tiles, np.ones((8, 6)))
    stacks = split_storage(xr.DataArray(picture[None], dims=("T", "Y", "X")), "3x5", "mosaic")
    assert stacks.frames.shape == (15, 8, 6)
    np.testing.assert_array_equal(stacks.frames[:, 0, 0], np.arange(15))
    with pytest.raises(LayoutError, match="no mosaic"):
        split_storage(xr.DataArray(picture[:-1], dims=("Y", "X")), "3x5", "mosaic")


def test_angles_along_one_axis_and_phases_along_another():
    pixels = np.arange(15).reshape(3, 5)[..., None, None] * np.ones((4, 4))
    stacks = split_storage(xr.DataArray(pixels, dims=("T", "Z", "Y", "X")), "3x5")
    assert stacks.series == ()
    np.testing.assert_array_equal(stacks.frames[:, 0, 0], np.arange(15))


@pytest.mark.parametrize(
    ("storage", "layout", "message"),
    [("CPZ", "3x5", "no storage is called 'CPZ'"), ("CPZAT", "3x5", "16 pages are no whole number")],
)
def test_what_cannot_be(storage, layout, message):
    image = xr.DataArray(np.zeros((16, 4, 4)), dims=("Z", "Y", "X"))
    with pytest.raises(LayoutError, match=message):
        split_storage(image, layout, storage)


def test_arrange_takes_series_and_named_axes():
    frames = np.arange(12).reshape(2, 6, 1, 1)
    order = (5, 4, 3, 2, 1, 0)
    np.testing.assert_array_equal(arrange(frames, order), frames[:, ::-1])
    named = xr.DataArray(frames, dims=("T", "I", "Y", "X"), attrs={"pixel_size_um": 0.06})
    assert arrange(named, order).attrs == named.attrs
    np.testing.assert_array_equal(arrange(named, order), frames[:, ::-1])
    with pytest.raises(LayoutError, match="6 frames cannot be put in the order of 5"):
        arrange(frames, (0, 1, 2, 3, 4))


@pytest.fixture(scope="module")
def raw():
    """Two slices of 15 frames."""
    rng = np.random.default_rng(5)
    conditions = random_conditions(rng, photons=(300, 300), like_paper=1.0)
    return np.stack(
        [
            simulate_sim(draw_structure(name, (192, 192), 0.03, rng), conditions, rng).raw
            for name in ("microtubules", "actin")
        ]
    )


def pages(cube, storage):
    """Return planes (Z, A * P, Y, X) in the page order of a microscope, one channel and time."""
    shaped = cube.reshape(1, len(cube), 1, 3, 5, *cube.shape[2:])
    return shaped.transpose(*("TZCAP".index(letter) for letter in storage[::-1]), 5, 6).reshape(
        -1, *cube.shape[2:]
    )


@pytest.mark.parametrize("storage", ["CPZAT", "CZTAP"])
def test_slices_of_a_microscope_are_found(raw, storage):
    image = xr.DataArray(pages(raw, storage), dims=("Z", "Y", "X"), attrs={"pixel_size_um": 0.06})
    examined = examine(image)
    assert examined.acquisition.fit
    sorted_frames = arrange(examined.source.stacks.frames, examined.acquisition)
    np.testing.assert_array_equal(sorted_frames, raw)
    assert examined.source.stacks.series == (("Z", 2),)


@pytest.mark.parametrize("layout", [None, "3x5"])
def test_a_mosaic_is_found(raw, layout):
    tiles = raw[0].reshape(3, 5, 96, 96)
    picture = tiles.transpose(0, 2, 1, 3).reshape(3 * 96, 5 * 96)
    examined = examine(xr.DataArray(picture, dims=("Y", "X")), layout=layout, pixel_size_um=0.06)
    assert (examined.source.stacks.storage, examined.acquisition.layout) == ("mosaic", "3x5")
    assert examined.acquisition.fit
    np.testing.assert_array_equal(examined.source.stacks.first(), raw[0])


def test_times_of_flat_stacks_and_frames_as_channels(raw):
    flat = xr.DataArray(raw.reshape(30, 96, 96), dims=("T", "Y", "X"), attrs={"pixel_size_um": 0.06})
    examined = examine(flat)
    assert examined.source.stacks.series == (("T", 2),)
    assert examined.acquisition.fit
    channels = xr.DataArray(raw[0][None], dims=("T", "C", "Y", "X"), attrs={"pixel_size_um": 0.06})
    assert examine(channels).acquisition.fit


def test_enlarged_frames_are_judged_on_their_native_pixels(raw):
    enlarged = np.rint(bicubic_enlarge(raw[0].astype(np.float64), 2))
    examined = examine(xr.DataArray(enlarged, dims=("I", "Y", "X"), attrs={"pixel_size_um": 0.03}))
    assert examined.source.enlargement.scale == 2
    assert examined.acquisition.optics.pixel_size_um == pytest.approx(0.06)
    assert examined.acquisition.fit


@pytest.mark.parametrize(
    ("image", "error", "message"),
    [
        (xr.DataArray(np.ones((15, 32, 32)), dims=("I", "Y", "X")), LayoutError, "frame 1 of 15 is constant"),
        (xr.DataArray(np.full((15, 32, 32), np.nan), dims=("I", "Y", "X")), ImageError, "NaN"),
        (xr.DataArray(RNG.random((2, 32, 32)), dims=("I", "Y", "X")), LayoutError, "2 along I"),
        (xr.DataArray(RNG.random((64, 64)), dims=("Y", "X")), LayoutError, "a single plane"),
        (xr.DataArray(RNG.random((15, 32, 32, 3)), dims=("I", "Y", "X", "S")), ImageError, "colour"),
        (xr.DataArray(RNG.random((15, 8, 8)), dims=("I", "Y", "X")), LayoutError, "too small"),
    ],
)
def test_what_is_no_raw_stack_is_refused_in_one_line(image, error, message):
    with pytest.raises(error, match=message):
        examine(image)
