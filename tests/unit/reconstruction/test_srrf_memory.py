"""The enlarged frames never exist as a whole."""

import subprocess
import sys

PROGRAM = """
import resource, numpy as np
from dlsim_ij.reconstruction import srrf, esrrf
def frames(n, side):
    rng = np.random.default_rng(0)
    still = rng.poisson(20, (side, side)).astype(np.uint16)
    return (still + n for n in range(n))
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
srrf(frames(9, 40), threads=2), esrrf(frames(9, 40), threads=2)
before = peak()
srrf(frames(60, 160), 8, mode="TRAC2", threads=2)
print(before, peak())
"""


def test_peak_memory_is_far_below_that_of_the_enlarged_stack():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=240, check=True
    )
    before_mb, after_mb = map(float, done.stdout.split())
    enlarged_mb = 60 * (160 * 8) ** 2 * 4 / 2**20
    assert enlarged_mb > 370
    assert after_mb - before_mb < enlarged_mb / 3
