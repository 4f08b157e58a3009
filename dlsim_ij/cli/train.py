"""``dlsim train``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dlsim_ij.cli import options
from dlsim_ij.cli.train_like import like_options, the_configuration, tune_to

if TYPE_CHECKING:
    from torch import nn

    from dlsim_ij.training import Progress, TrainingConfig
    from dlsim_ij.training.memory import MemoryEstimate


@click.command(
    epilog="Example: dlsim train configs/sim15.yaml --set steps=500 -o runs/first\n\n"
    "Example: dlsim train seed-sim15 --set data.options.dataset=dataset -o runs/seed\n\n"
    "Example: dlsim train --like raw_1.tif raw_2.tif -o tuned",
)
@click.argument("inputs", nargs=-1, metavar="CONFIG | --like RAW...")
@like_options
@click.option(
    "--set", "assignments", multiple=True, metavar="KEY=VALUE",
    help="Override a setting, dots go deeper: --set optimiser.lr=1e-3. May be repeated.",
)  # fmt: skip
@click.option(
    "-o", "--output", type=options.OutputPath, metavar="DIR",
    help="Run folder (default: the file's own 'output', else runs/<name of CONFIG>; with --like it must be "
    "given).",
)  # fmt: skip
@click.option("--resume", is_flag=True, help="Go on from the last checkpoint of the run folder.")
@click.option("--seed", type=click.IntRange(0), help="Random seed (default: the file's).")
@click.option("--tensorboard", is_flag=True, help="Also write for TensorBoard (extra 'tensorboard').")
@options.threads
@options.dry_run
@options.common
def command(
    inputs: tuple[str, ...],
    like: bool,
    assignments: tuple[str, ...],
    output: Path | None,
    resume: bool,
    seed: int | None,
    tensorboard: bool,
    threads: int | None,
    dry_run: bool,
    as_json: bool,
    **of_stacks: Any,
) -> int | None:
    """Train a network from a configuration file, or tune one to your own stacks.

    CONFIG is a YAML file, or the name of a recipe of the paper: seed-sim15, seed-sim15-low, seed-sim3,
    seed-sim4, seed-sim4-max, seed-snr, seed-scunet, seed-srrf5. A recipe wants its dataset:
    --set data.options.dataset=DIR.

    The run folder gets the settings, history.csv, loss.png, sample pictures, checkpoints, the finished
    model, which the other verbs take as --model DIR/model, and its scores (table.md). Ctrl-C leaves a
    checkpoint; --resume goes on from it.

    With --like, the simulator is fitted to raw stacks of yours, and a model is trained on for that
    microscope: about 20 minutes on two cores, no ground truth needed. It is measured before and after on
    simulated stacks that were held out, and against your own frames; if it is not better, it is not kept,
    and the exit code is 1. DIR gets proof.md, proof.json, proof.png, and the model.
    """
    if like:
        return tune_to(
            inputs, assignments, output, resume=resume, seed=seed, threads=threads, dry_run=dry_run,
            as_json=as_json, make_bar=_Bar, **of_stacks,
        )  # fmt: skip
    config = the_configuration(inputs, **of_stacks)
    from dlsim_ij.config import parse_overrides

    overrides = parse_overrides(assignments)
    given = {
        "seed": seed,
        "tensorboard": tensorboard or None,
        "threads": threads,
        "output": None if output is None else str(output),
    }
    overrides |= {key: value for key, value in given.items() if value is not None}
    settings = _settings(config, overrides)
    if settings.output is None:
        settings = settings.model_copy(update={"output": str(Path("runs") / Path(config).stem)})
    if dry_run:
        _describe(settings, resume, as_json)
        return None
    options.set_threads(threads)
    from dlsim_ij.training import train

    with _Bar(options.show_progress()) as bar:
        result = train(settings, resume=resume, progress=bar.update, on_estimate=bar.tell)
    score = _score(result.metrics)
    text = f"{result.stopped} after {result.step} steps; the model is {result.model_dir}{score}"
    options.print_result(result.to_dict(), as_json, text)
    return None


def _settings(config: str, overrides: dict[str, Any]) -> TrainingConfig:
    """Read a file, or make the recipe of that name: a word that is no file and does not look like one."""
    from dlsim_ij.config import read_settings
    from dlsim_ij.training.recipes import make_recipe
    from dlsim_ij.training.settings import TrainingConfig

    path = Path(config)
    if path.is_file() or path.suffix or path.name != config:
        return read_settings(path, TrainingConfig, overrides)
    return make_recipe(config, overrides)


class _Bar:
    """Progress on stderr: a bar with loss and time left; without a screen, a line per validation."""

    def __init__(self, shown: bool) -> None:
        self.shown, self.done, self.psnr_db = shown, 0, ""
        self.bar: Any = None

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *error: object) -> None:
        if self.bar is not None:
            self.bar.render_finish()

    def tell(self, estimate: MemoryEstimate) -> None:
        """Say how much memory the run will need."""
        if self.shown:
            click.echo(f"train: memory {estimate}", err=True)

    def update(self, progress: Progress) -> None:
        """Show how far the run is."""
        if progress.valid_psnr_db is not None:
            self.psnr_db = f", validation {progress.valid_psnr_db:.2f} dB"
        loss = "" if progress.train_loss is None else f", loss {progress.train_loss:.4g}"
        rate = "" if progress.samples_per_s is None else f", {progress.samples_per_s:.3g} samples/s"
        words = f"epoch {progress.epoch}{loss}{self.psnr_db}{rate}"
        if not self.shown:
            return
        if sys.stderr.isatty():
            self._draw(progress, words)
        elif progress.valid_psnr_db is not None or progress.step == progress.total_steps:
            left = f", {progress.seconds_left / 60:.1f} min left" if progress.seconds_left else ""
            click.echo(f"train: step {progress.step} of {progress.total_steps}, {words}{left}", err=True)

    def _draw(self, progress: Progress, words: str) -> None:
        if self.bar is None:  # the length is known only now
            self.bar = click.progressbar(
                length=progress.total_steps, label="train", file=sys.stderr, show_pos=True,
                item_show_func=lambda shown: shown,
            )  # fmt: skip
        self.bar.update(progress.step - self.done, words)
        self.done = progress.step


def _score(metrics: dict[str, Any]) -> str:
    return f" ({metrics['psnr_db']:.2f} dB in validation)" if "psnr_db" in metrics else ""


def _describe(settings: TrainingConfig, resume: bool, as_json: bool) -> None:
    """Say what would be trained and written; of the data, a prepared dataset's index is looked at."""
    import yaml

    from dlsim_ij.networks import create_network
    from dlsim_ij.torch_device import choose_device
    from dlsim_ij.training.memory import estimate_memory
    from dlsim_ij.training.run_folder import RunFolder

    folder = RunFolder(Path(str(settings.output)))
    if resume:
        folder.check_resumable(settings)
    else:
        folder.refuse_used()
    network = create_network(settings.network.name, **settings.network.options)
    _check_prepared(settings, network)
    memory = estimate_memory(settings, network, choose_device(settings.device))
    parameters = sum(p.numel() for p in network.parameters())
    resolved = settings.model_dump(mode="json")
    text = yaml.safe_dump(resolved, sort_keys=False, allow_unicode=True)
    options.print_result(
        {
            "dry_run": True,
            "run_dir": settings.output,
            "parameters": parameters,
            "memory": memory.to_dict(),
            "config": resolved,
        },
        as_json,
        f"{text}# {parameters:,} parameters; memory {memory}; everything would be written into "
        f"{settings.output}",
    )


def _check_prepared(settings: TrainingConfig, network: nn.Module) -> None:
    """Refuse what a dataset that is there would refuse; it costs no more than to read its index."""
    from dlsim_ij.datasets.source import close_source, make_source
    from dlsim_ij.training.checks import check_fit

    data = settings.data
    if data is None or data.kind != "prepared" or not Path(str(data.options.get("dataset", ""))).is_dir():
        return
    source = make_source(data.kind, data.options, patch_px=settings.patch_px, seed=settings.seed)
    try:
        check_fit(network, source)
    finally:
        close_source(source)
