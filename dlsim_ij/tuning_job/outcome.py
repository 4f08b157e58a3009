"""What a tuning leaves behind: `proof.json`, `proof.md`, `proof.png`, and the model if it is better."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from statistics import fmean
from typing import Any

import dlsim_ij
from dlsim_ij.bundles.bundle import CARD, WEIGHTS, Bundle, load_bundle, save_bundle
from dlsim_ij.datasets.like import FittedStacks
from dlsim_ij.files import write_json, write_text
from dlsim_ij.quality.summary import PairedDifference, paired_difference
from dlsim_ij.results import plain
from dlsim_ij.tuning_job.figure import draw_proof
from dlsim_ij.tuning_job.judge import FieldScores, Verdict
from dlsim_ij.tuning_job.measure import OnStacks


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Everything that was measured.

    Attributes
    ----------
    verdict : Verdict
    start : Bundle
        The model that was tuned.
    groups : tuple of str
        Structure and light level of each held-out field.
    before, after : mapping
        Scores of the start model and of the tuned one, by target.
    own_before, own_after : OnStacks
    fitted : FittedStacks
    left_out : tuple of str
        Stacks that could not be used, and why.
    steps : int
    seconds : dict
    """

    verdict: Verdict
    start: Bundle
    groups: tuple[str, ...]
    before: Mapping[str, FieldScores]
    after: Mapping[str, FieldScores]
    own_before: OnStacks
    own_after: OnStacks
    fitted: FittedStacks
    left_out: tuple[str, ...]
    steps: int
    seconds: dict[str, float]


def write_proof(folder: Path, outcome: Outcome) -> dict[str, Any]:
    """Write the proof as JSON, as text and as a picture; return the JSON."""
    proof = plain(_proof(outcome))
    write_json(folder / "proof.json", proof, overwrite=True)
    write_text(folder / "proof.md", _text(outcome), overwrite=True)
    draw_proof(folder / "proof.png", outcome.own_before.images, outcome.own_after.images)
    return dict(proof)


def keep_model(made: Path, folder: Path, outcome: Outcome, proof: Mapping[str, Any]) -> Path:
    """Write the tuned model, whose card tells what it was tuned on and what was measured."""
    bundle = load_bundle(made)
    card = bundle.card.model_dump(mode="json", exclude={"weights_sha256"})
    training = dict(card["training"])
    config = dict(training.get("config", {}))
    if isinstance(config.get("data"), dict):  # no path of this machine
        options = dict(config["data"]["options"])
        options["like"] = PurePath(str(options["like"])).name
        config["data"] = {**config["data"], "options": options}
    network = dict(config.get("network", {}))
    network["initial"] = outcome.start.name
    training |= {
        "config": {**config, "network": network},
        "tuned_from": {"name": outcome.start.name, "weights_sha256": outcome.start.card.weights_sha256},
    }
    interval = outcome.start.card.interval
    card |= {
        "interval": None if interval is None else interval.model_dump(mode="json"),
        "training": training,
        "scores": {
            **card["scores"],
            "proof": {k: v for k, v in proof.items() if k not in ("own_stacks", "left_out")},
        },
    }
    save_bundle(folder, bundle.create(), card)
    return folder


def discard_model(made: Path) -> None:
    """Remove the model that the training loop wrote: it is kept elsewhere, or not at all."""
    for name in (CARD, WEIGHTS):
        (made / name).unlink(missing_ok=True)
    if made.is_dir() and not any(made.iterdir()):
        made.rmdir()


def _proof(outcome: Outcome) -> dict[str, Any]:
    verdict = outcome.verdict
    targets = {
        name: {
            "psnr_db": {"start": fmean(old.psnr_db), "tuned": fmean(new.psnr_db)},
            "psnr_gain": verdict.psnr_gain[name],
            "nrmse": {"start": fmean(old.nrmse), "tuned": fmean(new.nrmse)},
            "nrmse_change": verdict.nrmse_change[name],
            "within_interval": {
                "start": None if old.within is None else fmean(old.within),
                "tuned": None if new.within is None else fmean(new.within),
            },
            "groups": dict(_by_group(outcome, name)),
        }
        for name, old, new in _targets(outcome)
    }
    own = [
        {
            "stack": old.stack,
            "target": old.target,
            "start": {k: v for k, v in old.to_dict().items() if k not in ("stack", "target", "blocks")},
            "tuned": {k: v for k, v in new.to_dict().items() if k not in ("stack", "target", "blocks")},
        }
        for old, new in zip(outcome.own_before.scores, outcome.own_after.scores, strict=True)
    ]
    return {
        "accepted": verdict.accepted,
        "sentences": list(verdict.sentences),
        "model": outcome.start.name,
        "steps": outcome.steps,
        "seconds": outcome.seconds,
        "held_out_fields": len(outcome.groups),
        "held_out": targets,
        "contradiction_growth": dict(verdict.contradiction),
        "own_stacks": own,
        "left_out": list(outcome.left_out),
        "dlsim_ij": dlsim_ij.__version__,
    }


def _targets(outcome: Outcome) -> Iterator[tuple[str, FieldScores, FieldScores]]:
    return ((name, outcome.before[name], outcome.after[name]) for name in outcome.before)


def _by_group(outcome: Outcome, target: str) -> Iterator[tuple[str, PairedDifference]]:
    for group in dict.fromkeys(outcome.groups):
        rows = [number for number, own in enumerate(outcome.groups) if own == group]
        new, old = ([scores[target].psnr_db[n] for n in rows] for scores in (outcome.after, outcome.before))
        yield group, paired_difference(new, old)


def _text(outcome: Outcome) -> str:
    verdict = outcome.verdict
    name = outcome.start.name
    head = "The tuned model is better and was kept." if verdict.accepted else (
        f"The tuned model was not shown to be better and was not kept: use '{name}' as it is."
    )  # fmt: skip
    lines = [f"# {name}, tuned to your microscope", "", f"**{head}**", ""]
    lines += [f"- {sentence}" for sentence in verdict.sentences]
    lines += ["", f"## On {len(outcome.groups)} held-out simulated fields", ""]
    lines += [
        "Simulated like your stacks, never trained on. Means; 95 % intervals by Student's t.",
        "",
    ]
    lines += [
        "| image | PSNR before, dB | after | gain | NRMSE before | after | in the 90 % interval before "
        "| after |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for target, old, new in _targets(outcome):
        within = ["" if s.within is None else f"{100 * fmean(s.within):.1f} %" for s in (old, new)]
        lines.append(
            f"| {target} | {fmean(old.psnr_db):.2f} | {fmean(new.psnr_db):.2f} "
            f"| {_gain(verdict.psnr_gain[target])} | {fmean(old.nrmse):.4f} | {fmean(new.nrmse):.4f} "
            f"| {within[0]} | {within[1]} |"
        )
    lines += ["", "Gain in PSNR, dB:", "", "| fields | " + " | ".join(outcome.before) + " |"]
    lines.append("|---|" + "---|" * len(outcome.before))
    columns = {target: dict(_by_group(outcome, target)) for target in outcome.before}
    for group in dict.fromkeys(outcome.groups):
        lines.append(f"| {group} | " + " | ".join(_gain(columns[t][group]) for t in outcome.before) + " |")
    lines += ["", "## On your own frames", ""]
    lines += [
        "What the raw frames say against each image (docs/round-trip.md): the largest local departure in"
    ]
    lines += ["units of the noise, and up to what chance explains it.", ""]
    lines += ["| stack | image | before | after | by chance up to | frames' rest before | after |"]
    lines += ["|---|---|---|---|---|---|---|"]
    for before, after in zip(outcome.own_before.scores, outcome.own_after.scores, strict=True):
        lines.append(
            f"| {before.stack} | {before.target} | {before.value:.2f} | {after.value:.2f} "
            f"| {after.limit:.2f} | {before.frames_rms:.3f} | {after.frames_rms:.3f} |"
        )
    lines += ["", "![before, after, difference](proof.png)", "", "## What was fitted", ""]
    for number, stack in enumerate(outcome.fitted.stacks, start=1):
        seen = stack.conditions
        angles = ", ".join(
            f"{p.angle_deg:.1f}° {1000 * seen.optics.pixel_size_um * p.period_px:.0f} nm "
            f"({' and '.join(f'{c:.2f}' for c in p.modulation)})"
            for p in seen.patterns
        )
        lines.append(
            f"{number}. {seen.photons:.3g} photo-electrons; patterns (modulation) {angles}; damping "
            f"{seen.otf_damping:.2f}; haze {seen.haze:.2f}, even background {seen.flat:.2f}; gain "
            f"{seen.camera.gain_adu_per_electron:.2f} counts, read noise "
            f"{seen.camera.read_noise_electrons:.1f} electrons"
        )
        lines += [f"   - not measured: {sentence}" for sentence in stack.assumed]
    if outcome.left_out:
        lines += ["", *(f"- {sentence}" for sentence in outcome.left_out)]
    clock = ", ".join(f"{name} {seconds:.0f}" for name, seconds in outcome.seconds.items())
    lines += ["", f"{outcome.steps} training steps. Seconds: {clock}.", ""]
    return "\n".join(lines)


def _gain(found: PairedDifference) -> str:
    if found.low is None or found.high is None:
        return f"{found.mean:+.2f}"
    return f"{found.mean:+.2f} ({found.low:+.2f} to {found.high:+.2f})"
