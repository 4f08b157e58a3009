"""Taking ImageJ's enlargement back: native pixels, their place, and the way back to the input's grid."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from dlsim_ij.images import bicubic_enlarge, read_image, resample_to_grid, undo_enlargement


def native_frames(height=44, width=50, *, n=3, noise=15.0, seed=0):
    """Structures of 3 px, camera offset and noise: frames as a camera gives them."""
    rng = np.random.default_rng(seed)
    signal = gaussian_filter(rng.random((n, height, width)), (0, 1.2, 1.2)) * 3000
    return (signal + 100 + rng.normal(0, noise, signal.shape)).astype(np.float32)


def place(enlargement, cut, scale):
    """Return the native index of the first pixel that was given back."""
    first = [
        (offset + start - scale / 4) / scale for offset, start in zip(enlargement.offset_px, cut, strict=True)
    ]
    assert all(index == round(index) for index in first), "native pixels must lie on the native grid"
    return tuple(round(index) for index in first)


@pytest.mark.parametrize("scale", [2, 3, 5])
@pytest.mark.parametrize("stored", [np.float32, np.uint16])
def test_frames_enlarged_as_a_whole(scale, stored):
    native = native_frames()
    large = bicubic_enlarge(native, scale)
    large = np.rint(large).astype(np.uint16) if stored is np.uint16 else large
    back = undo_enlargement(large, scale)
    assert back.was_enlarged
    assert back.scale == scale
    assert back.offset_px == (scale / 4, scale / 4)
    assert back.frames.shape == native.shape
    assert back.frames.dtype == np.float32
    # also at the border, where ImageJ is bilinear
    tolerance = 1.5 if stored is np.uint16 else 1e-3
    np.testing.assert_allclose(back.frames, native, rtol=0, atol=tolerance)
    assert back.misfit_rms < (0.3 if stored is np.uint16 else 1e-3)


@pytest.mark.parametrize("start_y", [7, 8])
@pytest.mark.parametrize("start_x", [7, 8])
@pytest.mark.parametrize("scale", [2, 5])
def test_frames_cut_at_any_pixel(start_y, start_x, scale):
    native = native_frames(60, 60)
    large = np.rint(bicubic_enlarge(native, scale)).astype(np.uint16)
    cut = large[:, start_y : start_y + 50 * scale, start_x : start_x + 49 * scale]
    back = undo_enlargement(cut, scale)
    assert back.was_enlarged
    y, x = place(back, (start_y, start_x), scale)
    h, w = back.frames.shape[1:]
    assert h in (49, 50, 51)
    assert w in (48, 49, 50)
    inner = (slice(None), slice(2, -2), slice(2, -2))
    expected = native[:, y : y + h, x : x + w]
    np.testing.assert_allclose(back.frames[inner], expected[inner], rtol=0, atol=1.5)
    # the outermost pixels know their unseen neighbours only by a tap
    assert np.abs(back.frames - expected).max() < 0.15 * np.ptp(expected)
    # every kept pixel lies in the field, and no more than one native pixel of the field is left out
    first = np.array(back.offset_px)
    last = first + scale * (np.array([h, w]) - 1)
    assert (first >= -0.5).all()
    assert (first <= scale).all()
    assert (last <= np.array(cut.shape[1:]) - 0.5).all()
    assert (last >= np.array(cut.shape[1:]) - 1 - scale).all()


def test_a_corner_has_a_real_border_on_two_sides_only():
    native = native_frames(60, 60)
    corner = bicubic_enlarge(native, 2)[:, :90, :94]
    back = undo_enlargement(corner)
    assert back.offset_px == (0.5, 0.5)
    h, w = back.frames.shape[1:]
    np.testing.assert_allclose(
        back.frames[:, : h - 4, : w - 4], native[:, : h - 4, : w - 4], rtol=0, atol=0.1
    )


def test_only_the_right_place_fits():
    large = np.rint(bicubic_enlarge(native_frames(60, 60), 2)).astype(np.uint16)
    back = undo_enlargement(large[:, 1:-2, 2:-1])
    assert back.candidates.shape == (2, 2)
    assert np.unravel_index(back.candidates.argmin(), (2, 2)) == (1, 0)
    assert back.search_misfit == back.candidates.min() < 0.3
    assert back.next_misfit > 10 * back.search_misfit


@pytest.mark.parametrize(
    "frames",
    [
        np.random.default_rng(0).poisson(80, (4, 90, 90)).astype(np.uint16),
        native_frames(90, 90),
        gaussian_filter(np.random.default_rng(0).random((4, 90, 90)), (0, 4, 4)) * 1000,
        np.full((3, 90, 90), 7, np.uint16),
        np.full((3, 90, 90), 0.1),
        np.repeat(np.repeat(native_frames(), 2, axis=1), 2, axis=2),  # pixels doubled
        np.rint(gaussian_filter(bicubic_enlarge(native_frames(), 2), (0, 1, 1))),  # filtered afterwards
        bicubic_enlarge(native_frames(), 2) + np.random.default_rng(0).normal(0, 2, (3, 88, 100)),
        np.rint(bicubic_enlarge(native_frames(), 2) + np.random.default_rng(0).normal(0, 2, (3, 88, 100))),
        native_frames(20, 20),  # too small to tell
        bicubic_enlarge(native_frames(), 3),  # by another scale
    ],
    ids=[
        "noise",
        "native",
        "smooth",
        "flat",
        "flat float",
        "doubled",
        "filtered",
        "noise added",
        "noise added, whole numbers",
        "small",
        "by 3",
    ],
)
def test_frames_that_are_left_as_they_are(frames):
    back = undo_enlargement(frames)
    assert not back.was_enlarged
    assert back.scale == 1
    assert back.offset_px == (0.0, 0.0)
    np.testing.assert_array_equal(back.frames, frames.astype(np.float32))


def test_the_input_is_not_changed():
    large = bicubic_enlarge(native_frames(), 2)
    before = large.copy()
    undo_enlargement(large)
    np.testing.assert_array_equal(large, before)


def test_result_is_plain():
    back = undo_enlargement(bicubic_enlarge(native_frames(), 2))
    assert back.to_dict() | {"misfit_rms": 0, "misfit_max": 0, "search_misfit": 0, "next_misfit": 0} == {
        "was_enlarged": True, "scale": 2, "offset_px": [0.5, 0.5], "input_shape": [88, 100],
        "misfit_rms": 0, "misfit_max": 0, "search_misfit": 0, "next_misfit": 0,
    }  # fmt: skip


# ---- back onto the input's grid ----------------------------------------------------------------------------


def spot(shape, y, x, sigma):
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    return np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * sigma**2))


def centre(image):
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]]
    weight = image - image.min()
    return np.array([(weight * rows).sum(), (weight * columns).sum()]) / weight.sum()


@pytest.mark.parametrize("cut", [(20, 20), (21, 20), (21, 23)])
@pytest.mark.parametrize("scale", [2, 3, 5])
@pytest.mark.parametrize("finer", [1, 2, 4])
def test_a_super_resolved_image_overlays_the_input(cut, scale, finer):
    native = 1000 * spot((80, 80), 40.3, 38.8, 3.0)[None] + native_frames(80, 80, n=1, noise=2.0) * 0.02
    large = bicubic_enlarge(native.astype(np.float32), scale)
    size = 50 * scale
    frames = large[:, cut[0] : cut[0] + size, cut[1] : cut[1] + size]
    back = undo_enlargement(frames, scale)
    assert back.was_enlarged
    first = place(back, cut, scale)
    h, w = back.frames.shape[1:]
    # what a perfect SIM would make of the native pixels: the same spot, finer, half-pixel centres
    y, x = ((c - f + 0.5) * finer - 0.5 for c, f in zip((40.3, 38.8), first, strict=True))
    sim = spot((finer * h, finer * w), y, x, 3.0 * finer)
    overlay = back.to_input_grid(sim)
    assert overlay.shape == frames.shape[1:]
    truth = np.array([40.3, 38.8]) * scale + scale / 4 - np.array(cut)
    np.testing.assert_allclose(centre(overlay), truth, atol=0.02)


def test_twice_finer_than_twice_enlarged_is_a_shift_by_whole_pixels():
    native = native_frames(60, 60)
    frames = bicubic_enlarge(native, 2)[:, 21:-20, 20:-21]
    back = undo_enlargement(frames)
    sim = (
        np.random.default_rng(0)
        .random((2 * back.frames.shape[1], 2 * back.frames.shape[2]))
        .astype(np.float32)
    )
    overlay = back.to_input_grid(sim)
    shift = [round(0.5 - offset) for offset in back.offset_px]
    for y, x in np.ndindex(3, 3):
        assert overlay[y + 10, x + 10] == sim[y + 10 + shift[0], x + 10 + shift[1]]


def test_resampling_between_pixels():
    image = spot((40, 44), 20.0, 21.0, 3.0)
    moved = resample_to_grid(image, image_origin_px=(0.25, -0.5), image_step_px=0.5, shape=(20, 21))
    np.testing.assert_allclose(centre(moved), [20 * 0.5 + 0.25, 21 * 0.5 - 0.5], atol=0.005)
    assert moved.dtype == np.float64
    assert resample_to_grid(
        image.astype(np.float32), image_origin_px=(0.25, 0.0), image_step_px=1.0, shape=(40, 44)
    ).dtype == np.float32  # fmt: skip


def test_an_image_of_another_size_is_refused():
    back = undo_enlargement(bicubic_enlarge(native_frames(), 2))
    with pytest.raises(ValueError, match="does not cover 44 x 50 native pixels"):
        back.to_input_grid(np.zeros((44, 51)))


# ---- the public sample -------------------------------------------------------------------------------------


@pytest.mark.sample
@pytest.mark.parametrize("kind", ["HE", "LE"])
def test_the_public_microtubule_frames(kind, sample_dir):
    stack = read_image(sample_dir / "microtuble" / f"{kind}_X2" / "Sample_1")
    assert stack.shape == (15, 256, 256)
    assert stack.attrs["left_out"] == [f"{kind}_15.tif"]
    back = undo_enlargement(stack.values)
    assert back.was_enlarged
    assert back.offset_px == (-0.5, -0.5)
    assert back.frames.shape == (15, 129, 129)
    assert back.misfit_rms == pytest.approx(0.25, abs=0.01)
    assert back.misfit_max < 1
    # a super-resolved image of the native pixels covers the whole field: no pixel is made up
    sim = np.arange(258.0 * 258).reshape(258, 258)
    np.testing.assert_array_equal(back.to_input_grid(sim), sim[1:257, 1:257])
    # noise of neighbouring native pixels is independent; enlarged pixels share it
    if kind == "LE":
        noise = back.frames - back.frames.mean(axis=0)
        inner = noise[:, 2:-2, 2:-2]
        shared = (inner[:, :, 1:] * inner[:, :, :-1]).mean() / inner.var()
        assert abs(shared) < 0.05
