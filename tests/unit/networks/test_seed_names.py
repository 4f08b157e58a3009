from __future__ import annotations

import pytest
import torch

from dlsim_ij.errors import ModelError
from dlsim_ij.networks import create_network, load_seed_state_dict

PARTS = {
    "unet-sim3": {"inc", "outc5", *(f"{way}{n}" for way in ("down", "up") for n in range(1, 5))},
    "scunet": {
        "inc", "inc0", "unet_1st_out", "unet_2nd_out",
        *(f"{way}{n}{which}" for way in ("down", "up") for n in range(1, 5) for which in (1, 2)),
    },
}  # fmt: skip


def renamed(state, drop_counters=False, prefix=""):
    """The same weights under names of another author's blocks."""
    out = {}
    for name, tensor in state.items():
        if drop_counters and name.endswith("num_batches_tracked"):
            continue
        part, *_, kind = name.split(".")
        out[f"{prefix}{part}.mpconv.{len(out)}.{kind}"] = tensor
    return out


@pytest.mark.parametrize("name", PARTS)
def test_top_level_names_are_the_seeds(name):
    state = create_network(name, width=2).state_dict()
    assert {key.split(".")[0] for key in state} == PARTS[name]


@pytest.mark.parametrize("name", PARTS)
@pytest.mark.parametrize(("drop", "prefix"), [(False, ""), (True, "module.")])
def test_weights_under_other_inner_names_give_the_same_network(name, drop, prefix):
    torch.manual_seed(1)
    theirs, ours = create_network(name, width=2).eval(), create_network(name, width=2).eval()
    frames = torch.rand(1, theirs.in_channels, 32, 32)
    assert not torch.equal(ours(frames), theirs(frames))
    load_seed_state_dict(ours, renamed(theirs.state_dict(), drop, prefix))
    assert torch.equal(ours(frames), theirs(frames))


def test_weights_of_another_network_are_refused_and_nothing_is_changed():
    ours = create_network("unet-sim3", width=2)
    before = {k: v.clone() for k, v in ours.state_dict().items()}
    for other, words in [
        (create_network("scunet", width=2).state_dict(), "missing"),
        (create_network("unet-sim4", width=2).state_dict(), "does not fit"),
        ({k: v for k, v in ours.state_dict().items() if k != "inc.0.bias"}, "tensors in the file"),
        ({}, "missing"),
    ]:
        with pytest.raises(ModelError, match=words):
            load_seed_state_dict(ours, other)
    assert all(torch.equal(v, before[k]) for k, v in ours.state_dict().items())


def test_a_batchnorm_with_bias_before_weight_is_not_mixed_up():
    ours = create_network("unet-sim3", width=2)
    names = list(ours.state_dict())
    first = names.index("inc.1.weight")
    names[first], names[first + 1] = names[first + 1], names[first]  # same shapes, other order
    with pytest.raises(ModelError, match="does not fit"):
        load_seed_state_dict(ours, {name: ours.state_dict()[name] for name in names})
