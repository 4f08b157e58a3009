"""What fuzzing has found: each was a traceback or a wrong image, and is a refusal now."""

import copy
import json

import pytest

from dlsim_ij.cli.simulate_inputs import read_parameters as read_simulation
from dlsim_ij.config import parse_overrides, read_parameters, read_settings
from dlsim_ij.errors import ConfigError, DataError
from dlsim_ij.reconstruction.wiener_parameters import parameters_from_dict
from dlsim_ij.training.checkpoint import load_checkpoint
from dlsim_ij.training.run_folder import RunFolder
from dlsim_ij.training.settings import TrainingConfig

DEEP = "[" * 100_000
PATTERN = {"angle_deg": 14.0, "period_nm": 493.0, "phases_rad": [0.1, 0.2], "modulation": [0.6, 0.4],
           "steps_rad": [0.0, 1.3, 2.5, 3.8, 5.0], "snr": [9.0, 3.0]}  # fmt: skip
STACK = {"optics": {"na": 1.49, "emission_nm": 525.0, "pixel_size_um": 0.06}, "patterns": [PATTERN] * 3}


@pytest.mark.parametrize(
    "read", [read_parameters, read_simulation, lambda p: read_settings(p, TrainingConfig)]
)
def test_text_that_is_nested_without_end(read, tmp_path):
    file = tmp_path / "deep"
    file.write_text(DEEP)
    with pytest.raises(ConfigError) as caught:
        read(file)
    assert caught.value.hint
    assert len(caught.value.message) < 400


def test_an_option_that_is_nested_without_end():
    with pytest.raises(ConfigError):
        parse_overrides([f"network.name={'[' * 20_000}"])


def test_good_parameters_are_read():
    assert len(parameters_from_dict({"stacks": [STACK]}, n_phases=5).patterns) == 3


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("phases_rad", [0.1, float("inf")]), ("steps_rad", [0.0, 1.3, 2.5, -1e308, 5.0]), ("snr", [9.0]),
        ("modulation", [0.6, float("nan")]), ("modulation", [0.6, -1.0]), ("angle_deg", float("inf")),
    ],
)  # fmt: skip
def test_patterns_that_would_make_an_image_of_nan(key, value):
    stack = copy.deepcopy(STACK)
    stack["patterns"][1] = {**PATTERN, key: value}
    with pytest.raises(ConfigError):
        parameters_from_dict({"stacks": [stack]}, n_phases=5)


@pytest.mark.parametrize("damping", [float("nan"), 0.0, -1.0, float("inf")])
def test_a_damping_that_is_none(damping):
    with pytest.raises(ConfigError, match="otf_damping"):
        parameters_from_dict({**STACK, "otf_damping": damping}, n_phases=5)


def test_a_position_that_is_a_list():
    with pytest.raises(ConfigError, match="position"):
        parameters_from_dict({"stacks": [{**STACK, "position": [1]}]}, n_phases=5)


@pytest.mark.parametrize(
    "entry", [{"camera": {"maps": 5}}, {"psf": "x"}, {"psf": {"source": 3}}, {"camera": 7}]
)
def test_parameters_of_a_simulation_with_a_camera_or_psf_that_is_none(entry, tmp_path):
    (tmp_path / "p.json").write_text(json.dumps({"conditions": entry}))
    with pytest.raises(ConfigError):
        read_simulation(tmp_path / "p.json")


@pytest.mark.parametrize("values", [DEEP, "[1]", "no JSON"])
def test_a_checkpoint_whose_values_are_damaged(values, tmp_path):
    import torch
    from safetensors.torch import save_file

    from dlsim_ij.training.checkpoint import _KEY

    save_file({"a": torch.ones(1)}, tmp_path / "last.safetensors", metadata={_KEY: values})
    with pytest.raises(DataError, match="damaged"):
        load_checkpoint(tmp_path / "last.safetensors")


def test_a_note_of_earlier_starts_that_is_damaged_is_not_written_over(tmp_path):
    run = RunFolder(tmp_path)
    run.environment.write_text(DEEP)
    with pytest.raises(DataError, match="earlier starts"):
        run._starts()
    assert run.environment.read_text() == DEEP
