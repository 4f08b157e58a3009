"""The training loop: `train` checks, runs and exports; `_Run` is the state between two steps.

A step is a function of that state and of numbers derived from the seed and the step alone (see
`sampler.py`), and the state is all in `checkpoints/last.safetensors`. So a resumed run goes through
the same bits as an undisturbed one, on a CPU with the same number of threads.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from math import isfinite
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dlsim_ij.datasets.source import SampleSource, close_source
from dlsim_ij.errors import ConfigError, DataError, DlsimError
from dlsim_ij.networks.registry import create_network
from dlsim_ij.torch_device import choose_device, limited_threads
from dlsim_ij.training.averaging import WeightAverage
from dlsim_ij.training.checkpoint import keep_copy, load_checkpoint, save_checkpoint
from dlsim_ij.training.data import ready_data
from dlsim_ij.training.export import export_model
from dlsim_ij.training.hardware import check_precision, memory_advice, precision, to_device
from dlsim_ij.training.initial import keep_images, start_from
from dlsim_ij.training.interrupt import StopWish, stop_on_signals
from dlsim_ij.training.losses import get_loss
from dlsim_ij.training.memory import MemoryEstimate
from dlsim_ij.training.objective import objective, validation_loss
from dlsim_ij.training.optimiser import make_optimiser
from dlsim_ij.training.outcome import Progress, TrainingResult
from dlsim_ij.training.pace import Pace, Spent
from dlsim_ij.training.record import Record
from dlsim_ij.training.run_folder import RunFolder, describe_environment
from dlsim_ij.training.sampler import EpochSampler
from dlsim_ij.training.schedules import learning_rate_factor
from dlsim_ij.training.settings import TrainingConfig
from dlsim_ij.training.state import pack, unpack
from dlsim_ij.training.table import final_table, for_card, write_table
from dlsim_ij.training.tensorboard import require_tensorboard
from dlsim_ij.training.validation import Validation, validate

logger = logging.getLogger(__name__)


def train(
    config: TrainingConfig,
    *,
    data: SampleSource | None = None,
    resume: bool = False,
    progress: Callable[[Progress], None] | None = None,
    on_estimate: Callable[[MemoryEstimate], None] | None = None,
) -> TrainingResult:
    """Train a network; write history, checkpoints and the finished model into `config.output`.

    Parameters
    ----------
    config : TrainingConfig
        All settings; `output` must be set.
    data : SampleSource, optional
        Samples to train on, instead of those that `config.data` describes.
    resume : bool
        Go on from the last checkpoint of the run in `config.output`.
    progress : callable, optional
        Called with a `Progress` at every row of the history.
    on_estimate : callable, optional
        Called with the `MemoryEstimate` before data are made.

    Returns
    -------
    TrainingResult

    Raises
    ------
    OutputError
        The run folder is in use, or cannot be written.
    ConfigError, DataError, ModelError
        Settings, data and network do not fit each other, or not the run to be resumed.
    DlsimError
        The run will not fit into memory; or the loss is no longer a number, or memory is used up: the last
        good checkpoint stays.
    KeyboardInterrupt
        SIGINT or SIGTERM came; a checkpoint was written after the step that ran.
    """
    if config.output is None:
        raise ConfigError("the run has no folder", "set output, or give -o DIR")
    folder = RunFolder(Path(config.output))
    if resume:
        folder.check_resumable(config)
    else:
        folder.refuse_used()
    if config.tensorboard:
        require_tensorboard()
    device = choose_device(config.device)
    check_precision(config, device)
    with limited_threads(config.threads), torch.random.fork_rng(devices=[0] if device.type == "cuda" else []):
        torch.manual_seed(config.seed)
        network = create_network(config.network.name, **config.network.options)
        if config.network.initial is not None and not resume:
            start_from(network, config.network.initial)
        if config.train == "interval":
            keep_images(network)
        data = ready_data(config, network, device, data, on_estimate)
        try:
            run = _Run(config, folder, network, data, device, progress)
            if resume:
                run.restore()
            folder.write_start(config, describe_environment(run.step, str(device)))
            with run.recording(), stop_on_signals() as wish, memory_advice(config):
                run.go(wish)
            return run.finish()
        finally:
            close_source(data)


class _Run:
    """State of a run between two steps."""

    def __init__(
        self,
        config: TrainingConfig,
        folder: RunFolder,
        network: nn.Module,
        source: SampleSource,
        device: torch.device,
        progress: Callable[[Progress], None] | None,
    ) -> None:
        self.config, self.folder, self.source, self.device, self.report = (
            config, folder, source, device, progress,
        )  # fmt: skip
        self.layout = torch.channels_last if config.channels_last else torch.contiguous_format
        self.network = network.to(device=device, memory_format=self.layout)  # type: ignore[call-overload]
        self.optimiser = make_optimiser(config, self.network)
        self.average = WeightAverage(self.network, config.ema_decay) if config.ema_decay else None
        self.loss = get_loss(config.loss)
        self.sampler = EpochSampler(len(source), config.batch_size, config.seed)
        self.total_steps = config.steps or (config.epochs or 0) * self.sampler.steps_per_epoch
        self.step = 0
        self.best: dict[str, Any] | None = None  # {"step": ..., **Validation}
        self.last_validation: dict[str, Any] | None = None
        self.without_progress = 0  # validations since the best one
        self.loss_sum = torch.zeros((), dtype=torch.float64, device=device)  # since the last row
        self.loss_count = 0
        self.started, self.started_at = time.monotonic(), 0
        self.pace, self.spent = Pace(), Spent()

    @property
    def epoch(self) -> int:
        """Epoch of the step that was done last, counted from 0."""
        return self.sampler.epoch(max(0, self.step - 1))

    def go(self, wish: StopWish) -> None:
        """Step until the end, an early stop, or a signal."""
        config = self.config
        self.started, self.started_at = time.monotonic(), self.step
        self.spent.restart()
        self.pace.restart()
        at_end = self.at_end()
        while not at_end and not self.stopped_early():
            self.advance()
            at_end = self.at_end()
            improved = False
            if at_end or self.step % config.validate_every == 0:
                improved = self.validate_and_log()
            elif self.step % config.log_every == 0:
                self.log(None)
            if wish or at_end or improved or self.stopped_early() or self.step % config.checkpoint_every == 0:
                self.save()
            if wish:
                self.folder.draw_history()
                logger.warning(
                    "%s: stopped after step %d of %d; go on with --resume",
                    wish.signal_name, self.step, self.total_steps,
                )  # fmt: skip
                raise KeyboardInterrupt(f"{wish.signal_name} after step {self.step}")

    def advance(self) -> None:
        """One optimiser step."""
        config, epoch = self.config, self.sampler.epoch(self.step)
        getattr(self.source, "start_epoch", lambda epoch: None)(epoch)
        factor = learning_rate_factor(
            config.schedule, step=self.step, epoch=epoch, total_steps=self.total_steps
        )
        for group in self.optimiser.param_groups:
            group["lr"] = config.optimiser.lr * factor
        inputs, targets = self.source.batch(
            self.sampler.indices(self.step), self.sampler.generator(self.step)
        )
        self.pace.count(len(inputs))
        inputs = to_device(inputs, self.device, self.layout)
        targets = to_device(targets, self.device)
        with precision(config, self.device):
            output: Tensor = self.network(inputs)
        loss = objective(output.float(), targets, config, self.loss)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if config.gradient_clip is not None:
            nn.utils.clip_grad_norm_(self.network.parameters(), config.gradient_clip)
        self.optimiser.step()
        self.step += 1
        if self.average is not None:
            self.average.update(self.step)
        self.loss_sum += loss.detach()
        self.loss_count += 1

    def validate_and_log(self) -> bool:
        """Measure the weights that would be exported; return whether they are the best so far."""
        self.require_finite()
        with self.exported_weights(), self.pace.paused():
            loss = partial(validation_loss, config=self.config, loss=self.loss)
            found = validate(
                self.network, self.source, loss, device=self.device, batchnorm=self.config.batchnorm
            )
            self.log(found)
            if found is None:
                return False
            self.record.draw(self.step, self.network, self.device)
            self.last_validation = {"step": self.step, **found.to_dict()}
            improved = self.best is None or found.loss < self.best["loss"]
            if improved:
                self.best = self.last_validation
                save_checkpoint(self.folder.best, self.network.state_dict(), self.best)
        self.without_progress = 0 if improved else self.without_progress + 1
        return improved

    def log(self, found: Validation | None) -> None:
        """Add a row to the history and tell the progress."""
        train_loss = self.mean_loss()
        self.loss_sum.zero_()
        self.loss_count = 0
        rate = self.pace.take()
        values = {
            "step": self.step,
            "epoch": self.epoch,
            "lr": self.optimiser.param_groups[0]["lr"],
            "train_loss": train_loss,
            "valid_loss": found.loss if found else None,
            "valid_psnr_db": found.psnr_db if found else None,
            "seconds": self.spent.wall,
            "samples_per_s": rate,
        }
        self.record.row(values, found)
        if self.report is not None:
            pace = (time.monotonic() - self.started) / max(1, self.step - self.started_at)
            self.report(
                Progress(
                    step=self.step,
                    total_steps=self.total_steps,
                    epoch=self.epoch,
                    train_loss=train_loss,
                    valid_psnr_db=found.psnr_db if found else None,
                    seconds_left=pace * (self.total_steps - self.step),
                    samples_per_s=rate,
                )
            )

    def mean_loss(self) -> float | None:
        """Mean training loss since the last row; refuses one that is not a number."""
        if not self.loss_count:
            return None
        mean = float(self.loss_sum) / self.loss_count
        if not isfinite(mean):
            self.refuse_divergence("loss")
        return mean

    def require_finite(self) -> None:
        """Refuse to measure or to keep weights that are not numbers."""
        self.mean_loss()
        if not all(bool(torch.isfinite(p).all()) for p in self.network.parameters()):
            self.refuse_divergence("network's weights")

    def refuse_divergence(self, what: str) -> None:
        """Stop the run; what was saved before is good."""
        kept = f"; {self.folder.last} is still good" if self.folder.last.exists() else ""
        raise DlsimError(
            f"the {what} became infinite or not a number before step {self.step} "
            f"(learning rate {self.optimiser.param_groups[0]['lr']:.3g}){kept}",
            "lower optimiser.lr, set gradient_clip and schedule.warmup_steps, or use precision: float32; "
            "if that does not help, look for such values in the data",
        )

    def stopped_early(self) -> bool:
        """Whether validation has not improved for as long as the settings allow."""
        patience = self.config.early_stop_patience
        return patience is not None and self.without_progress >= patience

    def at_end(self) -> bool:
        """Whether all steps are done, or the time is over that the settings give."""
        config, spent = self.config, self.spent
        limits = (config.max_cpu_minutes, spent.cpu), (config.max_minutes, spent.wall)
        late = self.step > 0 and any(most is not None and took >= 60 * most for most, took in limits)
        return late or self.step >= self.total_steps

    @contextmanager
    def exported_weights(self) -> Iterator[None]:
        """Lend the network the weights that count: the average, if there is one."""
        with self.average.applied() if self.average is not None else nullcontext():
            yield

    def save(self) -> None:
        """Write the last checkpoint: all that the next step depends on."""
        self.require_finite()
        with self.pace.paused():
            self.write_checkpoint()

    def write_checkpoint(self) -> None:
        """Put the state into a file, and keep a numbered copy if asked to."""
        tensors, rest = pack(self.network, self.optimiser, self.average, self.device)
        tensors["loss_sum"] = self.loss_sum
        values = {
            "step": self.step,
            "samples": self.sampler.samples,
            **self.spent.values(),
            "best": self.best,
            "last_validation": self.last_validation,
            "without_progress": self.without_progress,
            "loss_count": self.loss_count,
            "optimiser": rest,
        }
        save_checkpoint(self.folder.last, tensors, values)
        keep_copy(self.folder.last, self.step, self.config.keep_checkpoints)

    def restore(self) -> None:
        """Take the state of the last checkpoint."""
        tensors, values = load_checkpoint(self.folder.last)
        if values["samples"] != self.sampler.samples:
            raise DataError(
                f"the data hold {self.sampler.samples} samples, the run had {values['samples']}",
                "resume with the same data, or start another run with -o",
            )
        unpack(
            tensors, values["optimiser"], self.network, self.optimiser, self.average, self.device,
            where=self.folder.last,
        )  # fmt: skip
        self.loss_sum.copy_(tensors["loss_sum"])
        self.loss_count = values["loss_count"]
        self.step = values["step"]
        self.spent.restore(values)
        self.best, self.last_validation = values["best"], values["last_validation"]
        self.without_progress = values["without_progress"]

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Keep the logs open, without rows that a resumed run will write again."""
        self.record = Record(self.config, self.folder, self.source, self.step)
        try:
            yield
        finally:
            self.record.close()

    def finish(self) -> TrainingResult:
        """Draw the history and write the model."""
        seconds = self.spent.wall
        self.folder.draw_history()
        scores = self.last_validation
        with self.exported_weights() if self.config.export == "last" or self.best is None else nullcontext():
            if self.config.export == "best" and self.best is not None:
                tensors, scores = load_checkpoint(self.folder.best)
                self.network.load_state_dict(tensors)
            table = final_table(
                self.network, self.source, device=self.device, batchnorm=self.config.batchnorm
            )
            if table:
                write_table(table, self.folder.metrics, self.folder.table)
            export_model(
                self.folder.model,
                self.network,
                self.config,
                name=self.folder.path.name,
                data=self.source.describe(),
                training={
                    "step": scores["step"] if scores else self.step,
                    "seconds": round(seconds),
                    "cpu_seconds": round(self.spent.cpu),
                },
                scores={"validation": scores, "table": for_card(table)} if scores else {},
            )
        return TrainingResult(
            run_dir=self.folder.path,
            model_dir=self.folder.model,
            step=self.step,
            epoch=self.epoch,
            stopped="finished" if self.at_end() else "early stop",
            best=self.best,
            metrics={**(scores or {}), "seconds": seconds},
        )
