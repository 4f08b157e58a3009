from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from dlsim_ij.training.pictures import SamplePictures, choose_samples, sample_row

TITLE, GAP = 20, 4


class Groups:
    """Two samples of every group; each is filled with its own number."""

    def __init__(self, count):
        self.count = count

    def validation(self):
        for group in range(self.count):
            for twin in (0.0, 0.5):
                filled = torch.full((1, 2, 16, 16), group + twin)
                yield filled, torch.linspace(0, 1, 32 * 32).reshape(1, 1, 32, 32), f"group {group}"


class Network(nn.Module):
    """Doubles the size of the first channel; fails in training mode."""

    def forward(self, x):
        assert not self.training
        return nn.functional.interpolate(x[:, :1], scale_factor=2.0)


@pytest.mark.parametrize(
    ("groups", "count", "expected"),
    [(1, 4, [0]), (3, 4, [0, 1, 2]), (10, 4, [0, 3, 6, 9]), (8, 1, [0]), (10, 2, [0, 9])],
)
def test_the_first_sample_of_groups_spread_over_all_of_them(groups, count, expected):
    chosen = choose_samples(Groups(groups), count)
    assert [sample.group for sample in chosen] == [f"group {number}" for number in expected]
    assert [float(sample.inputs[0, 0, 0, 0]) for sample in chosen] == expected


def test_very_many_groups_are_chosen_from_evenly_with_few_in_memory():
    numbers = [int(sample.group.split()[1]) for sample in choose_samples(Groups(300), 4)]
    assert numbers == sorted(set(numbers))
    assert len(numbers) == 4
    assert numbers[0] == 0
    assert numbers[-1] > 250


def panels(row):
    """Cut a row into its four panels, without titles and gaps."""
    width = row.shape[1] // 4
    return [row[TITLE:, i * width : (i + 1) * width - GAP] for i in range(4)]


def test_panels_show_what_they_say():
    rng = np.random.default_rng(0)
    target = rng.random((256, 256)).astype(np.float32)
    low, high = np.quantile(target, (0.001, 0.999))
    predicted = target.copy()
    predicted[:128] += 0.125 * (high - low)  # half of what is white
    view, shown, truth, error = panels(sample_row(target[::2, ::2], predicted, target, "g", 20.0))
    assert (error[128:] == 0).all()
    assert np.unique(error[:128]).tolist() in ([127], [128], [127, 128])
    np.testing.assert_array_equal(shown[128:], truth[128:])
    assert shown[:128].mean() > truth[:128].mean() + 20
    np.testing.assert_allclose(truth, (255 * (target - low) / (high - low)).clip(0, 255), atol=0.51)
    blocks = view.reshape(128, 2, 128, 2)
    assert (blocks == blocks[:, :1, :, :1]).all()  # one block per pixel of the input


def test_large_images_show_their_middle_and_small_ones_are_enlarged():
    target = np.zeros((600, 400), np.float32)
    target[172 : 172 + 256, 72 : 72 + 256] = 1
    target[300, 200] = 0
    *_, truth, _ = panels(sample_row(target, target, target, "g", 0.0))
    assert truth.shape == (256, 256)
    assert (truth == 255).sum() == 256**2 - 1
    small = np.eye(32, dtype=np.float32)
    assert all(p.shape == (256, 256) for p in panels(sample_row(small[:16, :16], small, small, "g", 0.0)))


def test_images_that_are_no_numbers_or_constant_are_drawn_all_the_same():
    target = np.zeros((32, 32), np.float32)
    broken = target + np.float32(np.nan)
    row = sample_row(target, broken, target, "g", float("nan"))
    assert panels(row)[1].min() == 255
    assert panels(row)[2].max() == 0


@pytest.mark.parametrize("group", ["β-tubulin, 3 photons", "a very long name of a field of view " * 3, ""])
def test_a_title_is_drawn_inside_its_panel_whatever_the_group_is_called(group):
    target = np.ones((256, 256), np.float32)
    row = sample_row(target, target, target, group, 12.345)
    assert row.shape == (256 + TITLE, 4 * (256 + GAP))
    assert row[:TITLE, : 256 + GAP].max() > 200
    assert row[:TITLE, 256 : 256 + GAP].max() == 0


def test_pictures_are_written_per_step_and_as_the_latest_one(tmp_path):
    network = Network().train()
    drawer = SamplePictures(tmp_path / "samples", Groups(3), 2)
    shown = [
        drawer.draw(step, network, device=torch.device("cpu"), batchnorm="running") for step in (5, 1_000_000)
    ]
    assert network.training
    names = sorted(path.name for path in (tmp_path / "samples").iterdir())
    assert names == ["latest.png", "step_000005.png", "step_1000000.png"]
    for name in ("latest", "step_1000000"):
        np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "samples" / f"{name}.png")), shown[1])


def test_the_source_says_which_channels_a_person_should_see(tmp_path):
    def first_panel(channels):
        source = Groups(1)
        source.validation = lambda: iter([(inputs, torch.zeros(1, 1, 32, 32), "g")])
        if channels is not None:
            source.view_channels = channels
        drawer = SamplePictures(tmp_path, source, 1)
        picture = drawer.draw(1, Network(), device=torch.device("cpu"), batchnorm="running")
        return picture[TITLE : TITLE + 256, :256]

    inputs = torch.zeros(1, 2, 16, 16)
    inputs[0, 0, :8], inputs[0, 1, 8:] = 1, 1
    assert (first_panel((0,))[:128] == 255).all()
    assert (first_panel((1,))[128:] == 255).all()
    assert len(np.unique(first_panel(None))) == 1  # the mean of both is flat


def test_zero_pictures_draw_nothing_and_ask_for_no_sample(tmp_path):
    source = Groups(1)
    source.validation = lambda: pytest.fail("samples were asked for")
    drawer = SamplePictures(tmp_path / "samples", source, 0)
    assert drawer.draw(1, Network(), device=torch.device("cpu"), batchnorm="running") is None
    assert not (tmp_path / "samples").exists()
