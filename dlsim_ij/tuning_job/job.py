"""Fit, train, prove: `prepare` reads and fits the user's stacks, `tune` does the rest."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from dlsim_ij.bundles.bundle import Bundle, load_bundle
from dlsim_ij.config import make_settings, override, read_settings
from dlsim_ij.datasets.inputs import input_kind, input_kinds
from dlsim_ij.datasets.like import FittedStacks, LikePairs, make_source, write_fitted
from dlsim_ij.errors import ConfigError, DataError, ModelError, OutputError
from dlsim_ij.files import make_folder
from dlsim_ij.inference.predictor import load_model
from dlsim_ij.optics.otf import PAPER_EMISSION_NM, PAPER_NA
from dlsim_ij.processes import available_processors
from dlsim_ij.results import Result
from dlsim_ij.torch_device import limited_threads
from dlsim_ij.training.loop import train
from dlsim_ij.training.outcome import Progress
from dlsim_ij.training.recipes import like
from dlsim_ij.training.run_folder import RunFolder
from dlsim_ij.training.settings import TrainingConfig
from dlsim_ij.tuning_job.judge import judge
from dlsim_ij.tuning_job.measure import held_out, score_fields, score_stacks
from dlsim_ij.tuning_job.outcome import Outcome, discard_model, keep_model, write_proof
from dlsim_ij.tuning_job.pace import fastest_precision, seconds_per_step
from dlsim_ij.tuning_job.stacks import UserStack, fitted_stacks, light_range, read_stacks

Tell = Callable[[str], None]

DEFAULT_MINUTES = 18.0  # of the 20 that are promised
_SAFETY = 0.9  # of the time that is left: validation, checkpoints, and a machine that slows down
_LATEST = 0.97  # of the time that is left: a validation and the last checkpoint may be under way
_LEAST_STEPS = 50
_ANY_LIGHT = 10.0, 100.0
_GUESSED_POOL_S, _GUESSED_PACE_S = 60.0, 0.2  # of a dry run, which trains nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class TuneRequest:
    """What is asked.

    Attributes
    ----------
    raws : tuple of Path
        Raw stacks of one microscope: files or folders.
    output : Path
        Folder of the result.
    model : str
        What to start from: shipped name or folder.
    layout, pixel_size_um, na, emission_nm
        Of the acquisition, as in `pipeline.reconstruct`.
    minutes : float
        For everything together.
    overrides : mapping
        Dotted settings of the training, which win over the recipe; with ``steps`` the time does not matter.
    seed : int
    resume : bool
        Go on with a training in `output` that was interrupted.
    """

    raws: tuple[Path, ...]
    output: Path
    model: str = "sim15"
    layout: str = "3x5"
    pixel_size_um: float | None = None
    na: float = PAPER_NA
    emission_nm: float = PAPER_EMISSION_NM
    minutes: float = DEFAULT_MINUTES
    overrides: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 1
    resume: bool = False

    @property
    def conditions_file(self) -> Path:
        """Where the fitted conditions are."""
        return self.output / "like.json"

    @property
    def training(self) -> Path:
        """Run folder of the training."""
        return self.output / "training"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """Stacks that were read and fitted, and the training that would follow.

    Attributes
    ----------
    request : TuneRequest
    start : Bundle
        The model to start from.
    stacks : list of UserStack
    left_out : tuple of str
        Stacks without an illumination pattern, and why.
    fitted : FittedStacks
    config : TrainingConfig
        Its number of steps is an estimate until the pace of this machine was measured.
    started : float
        `time.monotonic` when the work began.
    """

    request: TuneRequest
    start: Bundle
    stacks: list[UserStack]
    left_out: tuple[str, ...]
    fitted: FittedStacks
    config: TrainingConfig
    started: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning(Result):
    """How it ended.

    Attributes
    ----------
    accepted : bool
        The tuned model is better, and stands in `model_dir`.
    model_dir : Path or None
    run_dir : Path
        Folder of the training.
    sentences : tuple of str
        What was measured.
    steps : int
    seconds : dict
        Fit, fields, training, proof, all.
    proof : dict
        As in ``proof.json``.
    """

    accepted: bool
    model_dir: Path | None
    run_dir: Path
    sentences: tuple[str, ...]
    steps: int
    seconds: dict[str, float]
    proof: dict[str, Any]


def prepare(request: TuneRequest) -> Prepared:
    """Read and fit the stacks, and make the configuration; writes nothing.

    Raises
    ------
    OutputError
        The output folder is in use.
    ModelError
        The start model is none that can be tuned.
    ImageError, LayoutError, ConfigError
        The stacks cannot be used; see `read_stacks`.
    """
    started = time.monotonic()
    if request.resume:
        _require_resumable(request)
    else:
        _refuse_used(request.output)
    start = load_bundle(request.model)
    n_angles = _check_model(start)
    _config(request, start, _ANY_LIGHT, _guessed_steps(request))  # a wrong setting is told before the work
    stacks, left_out = read_stacks(
        request.raws, layout=request.layout, pixel_size_um=request.pixel_size_um, na=request.na,
        emission_nm=request.emission_nm,
    )  # fmt: skip
    given = stacks[0].acquisition.n_angles
    if given != n_angles:
        raise ConfigError(
            f"the model '{start.name}' takes {n_angles} angles, the stacks have {given}",
            "choose another --model, or the right --layout",
        )
    fitted = fitted_stacks(stacks)
    if request.resume:
        config = read_settings(request.training / "config.yaml", TrainingConfig, dict(request.overrides))
    else:
        config = _config(request, start, light_range(fitted), _guessed_steps(request))
    return Prepared(
        request=request, start=start, stacks=stacks, left_out=tuple(left_out), fitted=fitted, config=config,
        started=started,
    )  # fmt: skip


def tune(
    prepared: Prepared,
    *,
    progress: Callable[[Progress], None] | None = None,
    tell: Tell = lambda sentence: None,
) -> Tuning:
    """Train, measure, and keep the model if it got better.

    Parameters
    ----------
    prepared : Prepared
        From `prepare`.
    progress : callable, optional
        See `dlsim_ij.training.train`.
    tell : callable, optional
        Called with a sentence at every stage.

    Returns
    -------
    Tuning

    Raises
    ------
    ConfigError
        The minutes are too few for any training, or a setting is wrong.
    DlsimError
        See `dlsim_ij.training.train`; a checkpoint stays, from which ``resume`` goes on.
    """
    request, stacks, config = prepared.request, prepared.stacks, prepared.config
    clock = {"fit": time.monotonic() - prepared.started}
    make_folder(request.output)
    if not request.resume:
        write_fitted(request.conditions_file, prepared.fitted)
    assert config.data is not None  # the recipe has seen to it
    began = time.monotonic()
    tell("simulating fields like your stacks")
    source = make_source(config.data.options, patch_px=config.patch_px, seed=config.seed)
    training = False
    try:
        clock["fields"] = time.monotonic() - began
        began = time.monotonic()
        _refuse_late(prepared)
        tell(f"measuring '{prepared.start.name}' as it is")
        targets = list(source.output_names)
        with limited_threads(config.threads):
            fields = held_out(source.proof())
            model = load_model(request.model, device=config.device)
            before, own_before = score_fields(model, fields, targets), score_stacks(model, stacks, targets)
        measuring = time.monotonic() - began
        if not request.resume:
            config = _timed(prepared, source, reserve=measuring)
        tell(f"training for {config.steps} steps")
        began, training = time.monotonic(), True
        result = train(config, data=source, resume=request.resume, progress=progress)
        if config.steps is not None and result.step < config.steps:
            tell(f"the time is over after {result.step} of them: the machine has become busier")
        clock["training"] = time.monotonic() - began
    except ConfigError:
        if not training and not request.resume:  # the next try may have the same folder
            request.conditions_file.unlink(missing_ok=True)
        raise
    finally:
        source.close()
    began = time.monotonic()
    tell("measuring the tuned model")
    with limited_threads(config.threads):
        tuned = load_model(result.model_dir, device=config.device)
        after, own_after = score_fields(tuned, fields, targets), score_stacks(tuned, stacks, targets)
    verdict = judge(before, after, own_before.scores, own_after.scores)
    clock["proof"] = measuring + time.monotonic() - began
    clock["all"] = time.monotonic() - prepared.started
    outcome = Outcome(
        verdict=verdict,
        start=prepared.start,
        groups=tuple(one.group for one in fields),
        before=before,
        after=after,
        own_before=own_before,
        own_after=own_after,
        fitted=prepared.fitted,
        left_out=prepared.left_out,
        steps=result.step,
        seconds={name: round(seconds, 1) for name, seconds in clock.items()},
    )
    proof = write_proof(request.output, outcome)
    model_dir = None
    if verdict.accepted:
        model_dir = keep_model(result.model_dir, request.output / "model", outcome, proof)
    discard_model(result.model_dir)
    return Tuning(
        accepted=verdict.accepted,
        model_dir=model_dir,
        run_dir=result.run_dir,
        sentences=verdict.sentences,
        steps=result.step,
        seconds=outcome.seconds,
        proof=proof,
    )


def describe(prepared: Prepared) -> tuple[dict[str, Any], str]:
    """Return what would be done, as JSON and as text."""
    resolved = prepared.config.model_dump(mode="json")
    data = {
        "dry_run": True,
        "run_dir": str(prepared.request.training),
        "model_dir": str(prepared.request.output / "model"),
        "minutes": prepared.request.minutes,
        "config": resolved,
        "left_out": list(prepared.left_out),
        "fitted": [{"stack": s.name, **f.to_dict()} for s, f in _named_fits(prepared)],
    }
    text = yaml.safe_dump(resolved, sort_keys=False, allow_unicode=True)
    kept = "" if "steps" in prepared.request.overrides else "; steps will be measured, to fit the minutes"
    return data, f"{text}# everything would be written into {prepared.request.output}{kept}"


def _named_fits(prepared: Prepared) -> list[tuple[UserStack, Any]]:
    return list(zip(prepared.stacks, prepared.fitted.stacks, strict=True))


def _config(request: TuneRequest, start: Bundle, photons: tuple[float, float], steps: int) -> TrainingConfig:
    recipe = like(
        request.model, start.card, str(request.conditions_file), photons=photons, steps=steps,
        workers=min(4, max(1, available_processors() - 1)), seed=request.seed,
    )  # fmt: skip
    settings = recipe.model_dump(mode="json")
    override(settings, request.overrides)
    if settings.get("epochs") is not None and "steps" not in request.overrides:
        settings["steps"] = None
    settings["output"] = str(request.training)
    made = make_settings(TrainingConfig, settings, where="the training")
    if made.data is None or made.data.kind != "like":
        raise ConfigError("--like trains on fields like your stacks alone", "leave data.kind as it is")
    return made


def _guessed_steps(request: TuneRequest) -> int:
    return max(_LEAST_STEPS, int((60 * request.minutes - 2 * _GUESSED_POOL_S) / _GUESSED_PACE_S))


def _refuse_late(prepared: Prepared) -> None:
    """Refuse before the measurements, which take as long again, when the minutes are over already."""
    request, spent = prepared.request, (time.monotonic() - prepared.started) / 60
    if request.resume or {"steps", "epochs"} & request.overrides.keys() or spent < request.minutes:
        return
    raise ConfigError(
        f"fit and simulation alone have taken {spent:.0f} of the {request.minutes:g} minutes",
        f"give --minutes {3 * spent + 5:.0f} or more, or a number of steps: --set steps=300",
    )


def _timed(prepared: Prepared, source: LikePairs, *, reserve: float) -> TrainingConfig:
    """Return the configuration with as many steps as fit into the time that is left."""
    request, config = prepared.request, prepared.config
    if {"steps", "epochs"} & request.overrides.keys():
        return config
    if "precision" in request.overrides:
        seconds = seconds_per_step(config, source)
    else:
        config, seconds = fastest_precision(config, source)
    left = 60 * request.minutes - (time.monotonic() - prepared.started) - reserve
    steps = int(_SAFETY * left / seconds)
    if steps < _LEAST_STEPS:
        raise ConfigError(
            f"{request.minutes:g} minutes leave time for {max(0, steps)} training steps of {seconds:.2f} s",
            f"give --minutes {request.minutes + 5 + _LEAST_STEPS * seconds / 60:.0f} or more, or a number of "
            "steps: --set steps=300",
        )
    timed = _config(request, prepared.start, light_range(prepared.fitted), steps)
    # should the machine become busier, a few of the last, smallest steps are better lost than the promise
    most = timed.max_minutes or _LATEST * left / 60
    return timed.model_copy(update={"precision": config.precision, "max_minutes": most})


def _check_model(start: Bundle) -> int:
    """Return how many angles the model takes; refuse one that sees no channels of ours."""
    kind = start.card.input.get("kind")
    if kind not in input_kinds() or input_kind(kind).channels != start.card.in_channels:
        raise ModelError(
            f"the model '{start.name}' cannot be tuned: its input is not what the simulator makes",
            "start from a shipped one: dlsim models",
        )
    return int(start.card.input.get("n_angles", 3))


def _refuse_used(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        resumable = RunFolder(folder / "training").last.exists()
        hint = "go on with --resume, or give another -o" if resumable else "give another -o"
        raise OutputError(f"the folder {folder} is not empty", hint)


def _require_resumable(request: TuneRequest) -> None:
    if not RunFolder(request.training).last.is_file() or not request.conditions_file.is_file():
        raise DataError(f"{request.output} holds no tuning to resume", "leave --resume away to start one")
    if (request.output / "model").exists() or (request.output / "proof.json").exists():
        raise OutputError(f"the tuning in {request.output} is finished", "give another -o")
