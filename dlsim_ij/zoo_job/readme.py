"""The package's README.md, made from the model's card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dlsim_ij.bundles.card import ModelCard
from dlsim_ij.zoo_job.channels import Channel, frame_names, is_blinking
from dlsim_ij.zoo_job.description import Facts
from dlsim_ij.zoo_job.example import is_never_negative, seed_maxima

_NOT_STATED = "not stated"


def write_readme(facts: Facts) -> str:
    """Return the README: what goes in, what comes out, how well it was measured, what to cite."""
    card = facts.card
    parts = [
        f"# {facts.title}",
        card.description or f"The model {card.name} of dlsim_ij.",
        "![Mean of the frames, and the first output, of a simulated stack](cover.png)",
        "## Input",
        _input(facts),
        _table(("channel", "name", "what it is"), _rows(facts.inputs)),
        _sizes(facts),
        "### How the channels are made",
        _recipe(facts),
        "## Output",
        _output(facts),
        _table(("channel", "name", "what it is"), _rows(facts.outputs)),
        "## Training",
        _training(card),
        "## Validation",
        *_validation(card.scores),
        "## Limits",
        _limits(facts),
        "## Citation and licence",
        "\n".join(f"- {text}, doi {doi}" for text, doi in facts.citations),
        f"Authors: {', '.join(facts.authors) or _NOT_STATED}. Licence: {facts.licence or _NOT_STATED}.",
    ]
    return "\n\n".join(parts) + "\n"


def _rows(channels: Sequence[Channel]) -> list[list[str]]:
    return [[str(number), f"`{c.name}`", c.meaning] for number, c in enumerate(channels)]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _input(facts: Facts) -> str:
    card = facts.card
    count = len(facts.inputs)
    maxima = seed_maxima(card)
    if card.input["kind"] == "raw-frames":
        enlargement = int(card.input.get("enlargement", 1))
        enlarged = f", enlarged {enlargement} times by ImageJ's bicubic" if enlargement > 1 else ""
        text = f"The {count} channels are raw frames{enlarged}."
        if maxima is not None:
            return f"{text} Give camera counts: the package divides them by {maxima[0]:g}."
        return f"{text} They are normalised by dlsim_ij, see below: the package does not do it."
    return (
        f"The network does not see raw frames but {count} channels that dlsim_ij makes of them, normalised "
        "to the field's own brightness. The package does not make them: give it channels, not frames."
    )


def _sizes(facts: Facts) -> str:
    sizes = facts.sizes
    text = (
        f"Axes batch, channel, y, x; float32. Sides y and x are {sizes.min_px} + n x {sizes.step_px} pixels. "
        "Pad a field of another size by repeating its border, and cut the output accordingly."
    )
    if not sizes.halo_px:
        return text + " The network normalises by the whole image, so it must not run on tiles."
    return text + (
        f" An input pixel acts up to {sizes.halo_px} pixels far: tiles with a margin of that much (the halo "
        f"in rdf.yaml) that start on multiples of {sizes.step_px} give what the whole field gives."
    )


def _recipe(facts: Facts) -> str:
    card = facts.card
    frames = frame_names(card)
    count = len(frames)
    if is_blinking(card):
        order = f"{count} frames of a blinking sample, in any order"
    else:
        order = f"{count} frames, all phases of the first angle first: `{'`, `'.join(frames)}`"
    name = card.name if facts.shipped else "MODEL_FOLDER"
    patterns = ""
    if card.input["kind"] not in ("raw-frames", "srrf-channels"):
        patterns = (
            "\n\nWithin it the illumination patterns are fitted (`dlsim_ij.acquisition.fit_patterns`), and "
            "`dlsim_ij.datasets.inputs.network_inputs(frames, patterns, optics, kind)` makes the channels, "
            f'with `kind="{card.input["kind"]}"`; give `patterns=` and `optics=` to use your own.'
        )
    return f"""A stack for it has {order}. With dlsim_ij installed:

    import dlsim_ij as dlsim
    from dlsim_ij.images import bicubic_enlarge
    from dlsim_ij.inference import load_model
    from dlsim_ij.inference.network_input import make_input

    frames = dlsim.read_image("stack.tif").values     # ({count}, Y, X), camera counts
    model = load_model("{name}")
    made = make_input(model.card, frames, patterns=None, optics=None, resize=bicubic_enlarge)
    channels = {_given(card)}

The network with all of this around it: `dlsim predict stack.tif -o images --model {name}`.{patterns}"""


def _given(card: ModelCard) -> str:
    if seed_maxima(card) is not None:
        return "made.scaling.undo(made.channels)[None]    # camera counts, what this package takes"
    return "made.channels[None]                       # what this package takes"


def _output(facts: Facts) -> str:
    card = facts.card
    text = (
        f"The output has {card.scale} times the side of the input."
        if card.scale > 1
        else "Same size as the input."
    )
    if seed_maxima(card) is not None:
        text += " In counts of the data that it was trained on."
    else:
        text += " In units of the field: times `made.counts.scale` gives camera counts above the background."
    if card.interval is not None:
        text += (
            " The half widths have the same unit; divided by 1.645 they are one standard deviation, as "
            "`dlsim predict --uncertainty` writes it"
        )
        text += (
            "."
            if card.interval.calibration is None
            else ", but for a factor of each field that dlsim-ij takes from the noise, density and fineness "
            "of the whole field, and that is not part of this package."
        )
    if is_never_negative(card):
        text += " Negative values are set to 0."
    return text


def _training(card: ModelCard) -> str:
    data = card.training.get("data")
    if not isinstance(data, dict):
        return "The card does not tell."
    kind = data.get("kind", "unknown")
    steps = f", {card.training['step']} steps in its last stage" if "step" in card.training else ""
    told = f"Data of the kind '{kind}'{steps}."
    shown = {name: data[name] for name in ("structures", "photons", "dataset") if data.get(name)}
    return told + "".join(f" {name.capitalize()}: {_plain(value)}." for name, value in shown.items())


def _plain(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(
            f"{item[0]:g} to {item[1]:g}" if isinstance(item, (list, tuple)) and len(item) == 2 else str(item)
            for item in value
        )
    return str(value)


def _validation(scores: Mapping[str, Any]) -> list[str]:
    """Show what the card holds: rows of test sets, the run's own validation; nothing is measured here."""
    parts = []
    for name, value in scores.items():
        if isinstance(value, list) and value and all(isinstance(row, dict) for row in value):
            head = list(value[0])
            rows = [[_number(row.get(key)) for key in head] for row in value]
            parts += [
                f"### {name.replace('_', ' ').capitalize()}",
                _table([key.replace("_", " ") for key in head], rows),
            ]
        elif name == "validation" and isinstance(value, dict):
            parts += ["### While training", *_groups(value)]
        elif name == "table" and isinstance(value, dict):
            parts += _final_table(value)
    return parts or ["No scores were measured, or the card does not hold them."]


def _groups(value: Mapping[str, Any]) -> list[str]:
    plain = [
        f"{key.replace('_', ' ')} {_number(v)}" for key, v in value.items() if isinstance(v, (int, float))
    ]
    parts = [", ".join(plain) + "."] if plain else []
    groups = value.get("groups")
    if isinstance(groups, dict) and groups and all(isinstance(row, dict) for row in groups.values()):
        head = list(next(iter(groups.values())))
        rows = [[name, *(_number(row.get(key)) for key in head)] for name, row in groups.items()]
        parts.append(_table(["group", *(key.replace("_", " ") for key in head)], rows))
    return parts


def _final_table(value: Mapping[str, Any]) -> list[str]:
    """Show the means of a training's final table: part, group, measure."""
    parts = []
    for part, groups in value.items():
        if not isinstance(groups, dict) or not all(isinstance(row, dict) for row in groups.values()):
            continue
        first: dict[str, Any] = next(iter(groups.values()), {})
        measures = [key for key, entry in first.items() if isinstance(entry, dict) and "mean" in entry]
        if not measures:
            continue
        rows = [
            [group, _number(row.get("n")), *(_number(row.get(key, {}).get("mean")) for key in measures)]
            for group, row in groups.items()
        ]
        head = ["group", "n", *(key.replace("_", " ") for key in measures)]
        parts += [f"### After training, {part} (means)", _table(head, rows)]
    return parts


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _limits(facts: Facts) -> str:
    card = facts.card
    made_for = (
        f" It was made for raw pixels of {1000 * card.pixel_size_um:g} nm." if card.pixel_size_um else ""
    )
    trust = (
        "The half widths know noise, blur and haze, not samples unlike those of the training."
        if card.interval is not None
        else "It does not tell how far it may be wrong."
    )
    beyond = (
        ""
        if is_blinking(card)
        else " `dlsim run` holds a result against its own raw frames (the round trip); this package cannot."
    )
    return f"A network can show structure that is not there.{made_for} {trust}{beyond}"
