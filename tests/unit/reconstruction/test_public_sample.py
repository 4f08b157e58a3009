"""The fit and the sharp Wiener filter on real frames, against the vendor's own reconstruction."""

import pytest

from dlsim_ij.acquisition import detect_acquisition
from dlsim_ij.acquisition.brightness import equalise_frames, estimate_offset
from dlsim_ij.images import read_image, undo_enlargement
from dlsim_ij.quality import fair_scores
from dlsim_ij.reconstruction import wiener_sim


@pytest.mark.sample
def test_periods_of_both_orders_and_the_sharp_wiener_image(sample_dir):
    folder = sample_dir / "microtuble"
    enlarged = undo_enlargement(read_image(folder / "HE_X2" / "Sample_1").values)
    found = detect_acquisition(enlarged.frames, 0.06)
    for pattern in found.patterns:
        # the orders are fitted jointly, so order 2 has half the period: 246 to 248 nm
        assert 246 * 0.99 < 60 * pattern.period_px / 2 < 248 * 1.01
        assert pattern.snr[1] > 5  # order 2 was seen, not only assumed
    signal = equalise_frames(enlarged.frames, estimate_offset(enlarged.frames))
    image = enlarged.to_input_grid(wiener_sim(signal, found.patterns, found.optics))
    truth = read_image(folder / "HER" / "Sample_1.tif").values.squeeze()
    assert fair_scores(truth, image).psnr_db >= 26.5  # 27.25 measured
