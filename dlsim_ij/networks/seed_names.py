"""Give the weights of the seed's files to our networks of the same shape."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from dlsim_ij.errors import ModelError

_COUNTERS = "num_batches_tracked"  # unused by evaluation, and absent from very old files


def load_seed_state_dict(network: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Copy a state dict of the seed's U-Net or scU-Net into `network`.

    The top-level names are the seed's (``inc``, ``down1`` ... ``outc5``; scU-Net ``down11`` ...
    ``unet_2nd_out``). Names below them depend on how somebody wrote their blocks, but the order of
    layers in a block is fixed (convolution, BatchNorm, convolution, BatchNorm; a decoder level has
    its transposed convolution in front). So within each top-level module tensors are matched by
    position, and kind (``weight``, ``bias``, ``running_mean``, ``running_var``) and shape must
    agree. A leading ``module.`` (left by DataParallel) is dropped. Nothing is changed unless
    everything fits.

    Parameters
    ----------
    network : torch.nn.Module
        For example ``create_network("unet-sim15")``.
    state : mapping of str to Tensor
        In the order in which torch saved it.

    Raises
    ------
    ModelError
        A part is missing or too much, or a tensor does not fit.
    """
    ours, theirs = _by_part(network.state_dict()), _by_part(state)
    if ours.keys() != theirs.keys():
        missing, extra = sorted(ours.keys() - theirs.keys()), sorted(theirs.keys() - ours.keys())
        raise ModelError(
            f"the weights do not belong to this network: missing {missing or 'nothing'}, "
            f"unexpected {extra or 'nothing'}",
            "name the right architecture, for example unet-sim3 or scunet",
        )
    matched: dict[str, Tensor] = {}
    for part, targets in ours.items():
        sources = theirs[part]
        if len(sources) != len(targets):
            raise ModelError(
                f"part '{part}' has {len(sources)} tensors in the file, {len(targets)} in the network",
                "is it the seed's U-Net, with BatchNorm and biases?",
            )
        for (our_name, target), (their_name, source) in zip(targets, sources, strict=True):
            same_kind = our_name.rpartition(".")[2] == their_name.rpartition(".")[2]
            if not same_kind or source.shape != target.shape:
                raise ModelError(
                    f"'{their_name}' {tuple(source.shape)} of the file does not fit "
                    f"'{our_name}' {tuple(target.shape)} of the network",
                    "name the architecture that these weights were trained as",
                )
            matched[our_name] = source
    network.load_state_dict(matched, strict=False)  # only the counters are not in `matched`


def _by_part(state: Mapping[str, Tensor]) -> dict[str, list[tuple[str, Tensor]]]:
    parts: dict[str, list[tuple[str, Tensor]]] = {}
    for name, tensor in state.items():
        if name.endswith(_COUNTERS):
            continue
        bare = name.removeprefix("module.")
        parts.setdefault(bare.partition(".")[0], []).append((name, tensor))
    return parts
