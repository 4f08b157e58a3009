"""Images that are larger than the memory: fields in blocks, series stack by stack.

In: files whose parts are read where they lie. Out: files whose parts are written into their places. What the
blocks of a field must have in common (levels, pattern) is measured before the first is computed. Start at
`field.py`; what is streamed is decided in `plan.py`.
"""
