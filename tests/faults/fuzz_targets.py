"""Readers of every kind of file and text that comes from outside, and what must hold afterwards.

Each target makes a few good inputs, and takes a damaged one. It may refuse it with a `DlsimError` (or what
its own documentation says), or take it; then it looks whether taking it was right.
"""

import fuzz_calls
import fuzz_images
import fuzz_models
import fuzz_settings

TARGETS = [*fuzz_images.TARGETS, *fuzz_settings.TARGETS, *fuzz_models.TARGETS, *fuzz_calls.TARGETS]
