"""Worker: a process that keeps models, and Java when asked, loaded, and does the work of the verbs.

In: a command line with its folder, settings and terminal, through HTTP on the loopback interface. Out: what
it would have printed, and its exit code. Does not know what a verb does: `cli` hands its `run` over. Start at
`jobs.py`; `client.py` is the other end, and with `place.py`, `protocol.py` and `background.py` it needs the
standard library alone.
"""
