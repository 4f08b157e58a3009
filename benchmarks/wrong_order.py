"""How `detect_acquisition` answers to stacks in the right and in wrong orders.

python benchmarks/wrong_order.py 100    number of simulated stacks, 3 to 1000 photons, five structures
"""

import sys

import numpy as np

from dlsim_ij.acquisition import detect_acquisition
from dlsim_ij.errors import LayoutError
from dlsim_ij.simulation import STRUCTURES, draw_structure, random_conditions, simulate_sim


def main(count: int) -> None:
    answers: dict[tuple[str, str], list[bool]] = {}
    for number in range(count):
        rng = np.random.default_rng([5, number])
        name = list(STRUCTURES)[number % len(STRUCTURES)]
        density = draw_structure(name, (256, 256), 0.03, rng)
        haze = draw_structure(name, (256, 256), 0.03, rng)
        stack = simulate_sim(density, random_conditions(rng, photons=(3, 1000)), rng, haze_density=haze)
        orders = {
            "angle-major": np.arange(15),
            "phase-major": np.arange(15).reshape(3, 5).T.ravel(),
            "shuffled": rng.permutation(15),
        }
        for order, permutation in orders.items():
            try:
                accepted = detect_acquisition(stack.raw[permutation], 0.06).fit
            except LayoutError:
                accepted = False
            answers.setdefault((order, name), []).append(accepted)
    print("accepted  | " + " | ".join(STRUCTURES))
    for order in ("angle-major", "phase-major", "shuffled"):
        cells = [f"{sum(answers[order, n])}/{len(answers[order, n])}" for n in STRUCTURES]
        print(f"{order} | " + " | ".join(cells))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
