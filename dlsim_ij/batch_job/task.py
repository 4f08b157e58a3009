"""What is asked of every input of a batch, and the sum that tells whether it was the same last time."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dlsim_ij
from dlsim_ij.config import read_parameters

if TYPE_CHECKING:
    from dlsim_ij.images import ImageInput

VERBS = ("run", "predict", "recon")


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is asked of every input; it travels to the workers.

    Attributes
    ----------
    verb : str
        One of `VERBS`.
    settings : dict
        The options of that verb by the names of its parameters.
    given : tuple of str
        Those that the user gave.
    flags : tuple of str
        The same as words of a command line.
    output : Path
        Absolute.
    threads : int
        For each worker; not part of the sum.
    parameters_sha256 : str
        Of the settings, the weights, the parameter file, the macro and the version.
    post_macro : (str, str), optional
        Path and text of the user's macro that follows.
    """

    verb: str
    settings: dict[str, Any]
    given: tuple[str, ...]
    flags: tuple[str, ...]
    output: Path
    threads: int
    parameters_sha256: str
    post_macro: tuple[str, str] | None = None

    def command(self, item: ImageInput) -> str:
        """Return the command that does one input alone."""
        return shlex.join(["dlsim", self.verb, str(item.path), "-o", str(self.output), *self.flags])

    def outputs(self, item: ImageInput) -> list[Path]:
        """Return every file that may be written for an input."""
        asked = self.settings
        if self.verb == "run":
            from dlsim_ij.run_job import output_names

            folder = self.output / item.subfolder
            names = [*output_names(asked["ome"], asked["measures"]).values(), "_run.json"]
            return [folder / f"{item.name}{end}" for end in names]
        if self.verb == "predict":
            from dlsim_ij.predict_job import possible_outputs

            kinds = {name: asked[name] for name in ("uncertainty", "ome", "ome_zarr")}
            return possible_outputs(self.output, item, **kinds)
        from dlsim_ij.recon_job import recon_outputs

        return [*recon_outputs(self.output, item, asked["with_widefield"], asked["ome"]).values()]


def make_task(
    verb: str,
    settings: Mapping[str, Any],
    output: Path,
    *,
    threads: int,
    given: tuple[str, ...] = (),
    flags: tuple[str, ...] = (),
    post_macro: tuple[str, str] | None = None,
) -> Task:
    """Check what can be checked once for all inputs, and make the task.

    Raises
    ------
    DlsimError
        A model or the file of parameters is missing or damaged.
    """
    absolute = dict(settings)
    summed: dict[str, Any] = {"verb": verb, "version": dlsim_ij.__version__, "settings": dict(settings)}
    for name in ("model", "denoiser"):
        if settings.get(name) is not None:
            from dlsim_ij.bundles import load_bundle

            bundle = load_bundle(settings[name])
            summed[f"{name}_sha256"] = bundle.card.weights_sha256
            if Path(settings[name]).exists():
                absolute[name] = str(bundle.folder.resolve())
            summed["settings"][name] = bundle.name  # the same weights in another place are the same
    if settings.get("parameters_file") is not None:
        summed["parameters"] = read_parameters(settings["parameters_file"])
        absolute["parameters_file"] = settings["parameters_file"].resolve()
        summed["settings"].pop("parameters_file")
    if post_macro is not None:
        summed["post_macro"] = post_macro[1]
    text = json.dumps(summed, sort_keys=True, default=str)
    return Task(
        verb=verb, settings=absolute, given=given, flags=flags, output=output.resolve(), threads=threads,
        parameters_sha256=hashlib.sha256(text.encode()).hexdigest(), post_macro=post_macro,
    )  # fmt: skip
