"""From radiality and intensity of every frame to one image: the temporal modes of SRRF and eSRRF.

Names and formulas: Gustafsson et al. 2016 (:doi:`10.1038/ncomms12471`), Laine et al. 2023
(:doi:`10.1038/s41592-023-02057-w`) and what their ImageJ plugins compute. Each function takes

- radiality : (T, Y, X) tensor, one plane per frame,
- intensity : (T, Y, X) tensor, or None for "no intensity weighting",

and returns a (Y, X) tensor.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

Tensor = torch.Tensor
Projection = Callable[[Tensor, Tensor | None], Tensor]

SRRF_MODES = ("TRM", "TRA", "TRPPM", "TRAC2", "TRAC3", "TRAC4")
ESRRF_MODES = ("AVG", "VAR", "TAC2")


def correlation_order(mode: str) -> int:
    """Return n of TRACn, and 0 of the modes that correlate nothing."""
    return int(mode[-1]) if mode.startswith("TRAC") else 0


def shortest_block(mode: str) -> int:
    """Return the smallest number of frames that a temporal mode can use."""
    return {"VAR": 2, "TAC2": 2}.get(mode, correlation_order(mode) + 1)


def srrf_projection(mode: str, integrate: bool) -> Projection:
    """Return the function of one of `SRRF_MODES`."""
    if mode == "TRM":
        return lambda radiality, intensity: _weighted(radiality, intensity).amax(dim=0)
    if mode == "TRA":
        return lambda radiality, intensity: _weighted(radiality, intensity).mean(dim=0)
    if mode == "TRPPM":
        return _pairwise_product_mean
    order = correlation_order(mode)

    def correlation(radiality: Tensor, intensity: Tensor | None) -> Tensor:
        # before the radiality is binned in place
        average = _weighted(radiality, intensity).mean(dim=0) if intensity is not None else 1.0
        return _correlation(radiality, order, integrate) * average

    return correlation


def esrrf_projection(mode: str) -> Projection:
    """Return the function of one of `ESRRF_MODES`."""
    if mode == "AVG":
        return lambda radiality, intensity: _weighted(radiality, intensity).mean(dim=0)
    if mode == "VAR":
        return lambda radiality, intensity: _weighted(radiality, intensity).var(dim=0, correction=0)
    return _autocovariance


def _weighted(radiality: Tensor, intensity: Tensor | None) -> Tensor:
    return radiality if intensity is None else radiality * intensity


def _autocovariance(radiality: Tensor, intensity: Tensor | None) -> Tensor:
    fluctuation = _weighted(radiality, intensity)
    fluctuation = fluctuation - fluctuation.mean(dim=0)
    return (fluctuation[:-1] * fluctuation[1:]).mean(dim=0)


def _pairwise_product_mean(radiality: Tensor, intensity: Tensor | None) -> Tensor:
    """Return the mean of R(t0) R(t1) over all t0 <= t1, times the mean intensity."""
    n = len(radiality)
    products = (radiality.sum(dim=0).square() + radiality.square().sum(dim=0)) / (n * (n + 1))
    return products if intensity is None else products * intensity.mean(dim=0)


def _correlation(radiality: Tensor, order: int, integrate: bool) -> Tensor:
    """Correlate `order` successive fluctuations; integrated, also of ever longer bins of frames.

    As in the original, order 4 subtracts products of sums, not of means, the sums of the orders 3 and 4
    run on from pass to pass, and the first bin lacks its first frame.
    """
    total = torch.zeros_like(radiality[0])
    sums: dict[tuple[int, ...], Tensor] = {}
    while True:
        n = len(radiality)
        fluctuation = radiality - radiality.mean(dim=0)
        if order == 2:
            sums.clear()
        for lags in _PRODUCTS[order]:
            product = _lagged(fluctuation, lags, n - order).sum(dim=0)
            sums[lags] = sums[lags] + product if lags in sums else product
        total += _cumulant(sums, order).abs_() / n
        n //= order
        if not integrate or n <= order:
            return total
        bins = radiality[: n * order].view(n, order, *radiality.shape[1:])
        bins[0, 0] = 0
        radiality = bins.mean(dim=1)


# the lags whose products are summed over time, per order
_PRODUCTS: dict[int, tuple[tuple[int, ...], ...]] = {
    2: ((0, 1),),
    3: ((0, 1, 2),),
    4: ((0, 1, 2, 3), (0, 1), (2, 3), (0, 2), (1, 3), (0, 3), (1, 2)),
}


def _lagged(fluctuation: Tensor, lags: tuple[int, ...], n: int) -> Tensor:
    product = fluctuation[lags[0] : lags[0] + n]
    for lag in lags[1:]:
        product = product * fluctuation[lag : lag + n]
    return product


def _cumulant(sums: dict[tuple[int, ...], Tensor], order: int) -> Tensor:
    whole = sums[_PRODUCTS[order][0]]
    if order < 4:
        return whole.clone()
    pairs = [sums[lags] for lags in _PRODUCTS[4][1:]]
    return whole - pairs[0] * pairs[1] - pairs[2] * pairs[3] - pairs[4] * pairs[5]
