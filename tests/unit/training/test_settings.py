from __future__ import annotations

from pathlib import Path

import pytest

from dlsim_ij.config import make_settings, parse_overrides, read_settings
from dlsim_ij.errors import ConfigError
from dlsim_ij.training import TrainingConfig, recipes

CONFIGS = Path(__file__).parents[3] / "configs"
GOOD = {"data": {"kind": "simulated"}, "steps": 10}


@pytest.mark.parametrize(
    ("changes", "key", "hint"),
    [
        ({"bach_size": 3}, "bach_size", "batch_size"),
        ({"optimiser": {"learning_rate": 1}}, "optimiser.learning_rate", "lr"),
        ({"optimiser": {"beta": 1}}, "optimiser.beta", "betas"),
        ({"data": {"kind": "simulated", "option": {}}}, "data.option", "options"),
        ({"data": {"kind": "prepared", "dataset": "d"}}, "data.dataset", "data.options.dataset"),
        ({"schedule": {"warmup": 1}}, "schedule.warmup", "warmup_steps"),
    ],
)
def test_a_misspelt_key_is_named_with_the_one_that_was_meant(changes, key, hint):
    with pytest.raises(ConfigError) as caught:
        make_settings(TrainingConfig, {**GOOD, **changes}, where="x.yaml")
    assert f"'{key}'" in caught.value.message
    assert f"'{hint}'" in caught.value.hint


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"epochs": 3}, "either steps or epochs"),
        ({"steps": None}, "either steps or epochs"),
        ({"steps": 0}, "greater than 0"),
        ({"loss": "seeds"}, "'seed'"),
        ({"network": {"name": "natve"}}, "'native'"),
        ({"data": {"kind": "real"}}, "simulated"),
        ({"ema_decay": 1.0}, "less than 1"),
        ({"optimiser": {"lr": float("nan")}}, "lr"),
        ({"optimiser": {"lr": float("inf")}}, "lr"),
        ({"gradient_clip": 0}, "greater than 0"),
        ({"gradient_clip": float("inf")}, "gradient_clip"),
        ({"precision": "float16"}, "bfloat16"),
        ({"schedule": {"epochs": [8, 3, 12]}}, "rise"),
        ({"batch_size": "many"}, "batch_size"),
    ],
)
def test_values_out_of_range_are_refused_in_words(changes, words):
    with pytest.raises(ConfigError, match=words):
        make_settings(TrainingConfig, {**GOOD, **changes}, where="x.yaml")


def test_overrides_of_the_command_line_win(tmp_path):
    (tmp_path / "c.yaml").write_text("data: {kind: simulated}\nsteps: 10\noptimiser: {lr: 0.1}\n")
    overrides = parse_overrides(["steps=20", "optimiser.betas=[0.5, 0.9]", "data.options.dataset=here"])
    config = read_settings(tmp_path / "c.yaml", TrainingConfig, overrides)
    assert (config.steps, config.optimiser.lr, config.optimiser.betas) == (20, 0.1, (0.5, 0.9))
    assert config.data.options == {"dataset": "here"}


@pytest.mark.parametrize(
    ("name", "recipe"),
    [
        ("seed-sim15", recipes.seed_sim15("dataset")),
        ("seed-sim15-low", recipes.seed_sim15("dataset", light="low")),
        ("seed-sim3", recipes.seed_sim3("dataset")),
        ("seed-sim4", recipes.seed_sim4("dataset")),
        ("seed-sim4-max", recipes.seed_sim4("dataset", summary="max")),
        ("seed-snr", recipes.seed_snr("dataset")),
        ("seed-scunet", recipes.seed_scunet("dataset")),
        ("seed-srrf5", recipes.seed_srrf5("dataset")),
    ],
)
def test_the_seeds_configuration_files_are_its_recipes(name, recipe):
    assert read_settings(CONFIGS / f"{name}.yaml", TrainingConfig) == recipe
    assert (recipe.optimiser.lr, recipe.batch_size, recipe.epochs, recipe.loss) == (1e-3, 1, 2000, "seed")
    assert recipe.batchnorm == "per-image"
    assert recipes.make_recipe(name) == recipe


def test_every_recipe_has_its_file():
    assert {path.stem for path in CONFIGS.glob("seed-*.yaml")} == set(recipes.recipe_names())


def test_both_schedules_are_offered():
    assert recipes.seed_snr("d", schedule="seed-intended").schedule.name == "seed-intended"
    assert recipes.seed_snr("d").schedule.epochs == (2, 6, 8)
