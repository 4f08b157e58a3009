import numpy as np
import pytest

from dlsim_ij.errors import LayoutError
from dlsim_ij.optics import Optics
from dlsim_ij.quality import best_shift, fair_scores
from dlsim_ij.reconstruction import SOFT, VENDOR, WienerFilter, wiener_channels, wiener_images, wiener_sim
from dlsim_ij.reconstruction.channels import unshuffle
from dlsim_ij.simulation import Conditions, draw_structure, simulate_sim
from dlsim_ij.simulation.sim_frames import paper_patterns


@pytest.fixture(scope="module")
def stack():
    rng = np.random.default_rng(0)
    density = draw_structure("microtubules", (256, 240), 0.03, rng)
    patterns = paper_patterns(phases_rad=(0.3, 2.2, 4.0))
    conditions = Conditions(patterns=patterns, intensity=(1.0,) * 15, haze=0.0, flat=0.0)
    return simulate_sim(density, conditions, rng)


INNER = np.s_[24:-24, 24:-24]


def test_the_result_lies_on_the_object_and_beats_widefield(stack):
    from dlsim_ij.images import bicubic_enlarge

    image = wiener_sim(stack.electrons, stack.conditions.patterns, Optics())
    assert image.shape == (256, 240)
    assert image.dtype == np.float32
    assert np.hypot(*best_shift(stack.object[INNER], image[INNER])) < 0.05
    wide = bicubic_enlarge(stack.electrons.mean(axis=0), 2)
    better = fair_scores(stack.object[INNER], image[INNER]).psnr_db
    assert better > fair_scores(stack.object[INNER], wide[INNER]).psnr_db + 2


def test_detail_beyond_the_widefield_cutoff_is_the_objects(stack):
    image = wiener_sim(stack.electrons, stack.conditions.patterns, Optics())
    fy, fx = np.fft.fftfreq(256)[:, None] * 2, np.fft.fftfreq(240)[None, :] * 2
    beyond = (np.hypot(fy, fx) > 1.05 * Optics().cutoff_px) & (np.hypot(fy, fx) < 1.3 * Optics().cutoff_px)
    window = np.outer(np.hanning(256), np.hanning(240))  # the image's border is faded, the object's is not
    a, b = (np.fft.fft2(i * window)[beyond] for i in (image, stack.object))
    assert abs((a * b.conj()).sum()) / np.sqrt((abs(a) ** 2).sum() * (abs(b) ** 2).sum()) > 0.7


def test_wrong_phases_spoil_it(stack):
    import dataclasses

    wrong = [dataclasses.replace(p, phases_rad=(p.phases_rad[0] + 1.5, p.phases_rad[1] + 3))
             for p in stack.conditions.patterns]  # fmt: skip
    right = fair_scores(stack.object, wiener_sim(stack.electrons, stack.conditions.patterns, Optics()))
    assert fair_scores(stack.object, wiener_sim(stack.electrons, wrong, Optics())).psnr_db < right.psnr_db - 1


def test_it_is_linear(stack):
    patterns = stack.conditions.patterns
    once = wiener_sim(stack.electrons, patterns, Optics())
    twice = wiener_sim(2 * stack.electrons, patterns, Optics())
    np.testing.assert_allclose(twice, 2 * once, rtol=1e-4, atol=1e-4 * once.max())


def test_several_filters_in_one_call_are_those_of_single_calls(stack):
    patterns = stack.conditions.patterns
    both = wiener_images(stack.electrons, patterns, Optics(), [VENDOR, SOFT])
    for image, one in zip(both, (VENDOR, SOFT), strict=True):
        np.testing.assert_allclose(
            image, wiener_sim(stack.electrons, patterns, Optics(), filter=one), rtol=1e-5, atol=1e-4
        )
    with pytest.raises(ValueError, match="may differ"):
        wiener_images(stack.electrons, patterns, Optics(), [VENDOR, WienerFilter(notch_width=0.1)])


def test_channels_hold_the_images_and_the_means(stack):
    patterns = stack.conditions.patterns
    channels = wiener_channels(stack.electrons, patterns, Optics())
    sharp, soft = wiener_images(stack.electrons, patterns, Optics(), [VENDOR, SOFT])
    np.testing.assert_array_equal(channels[:4], unshuffle(sharp))
    np.testing.assert_array_equal(channels[4:8], unshuffle(soft))
    np.testing.assert_allclose(channels[9], stack.electrons[5:10].mean(axis=0), rtol=1e-6)
    np.testing.assert_array_equal(channels[2], sharp[1::2, 0::2])


@pytest.mark.parametrize("size", [(16, 16), (17, 33), (65, 40)])
def test_any_size(size):
    frames = np.random.default_rng(0).random((15, *size))
    image = wiener_sim(frames, paper_patterns(), Optics())
    assert image.shape == (2 * size[0], 2 * size[1])
    assert np.isfinite(image).all()


def test_the_frames_must_fit_the_patterns(stack):
    with pytest.raises(LayoutError, match="14 frames do not fit 3 angles with 15 phases"):
        wiener_sim(stack.electrons[:14], stack.conditions.patterns, Optics())
    with pytest.raises(LayoutError, match="takes 3 angles, the stack has 2"):
        wiener_channels(stack.electrons[:10], stack.conditions.patterns[:2], Optics())
