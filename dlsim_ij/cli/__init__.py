"""Command line: words in, exit codes and results out.

In: arguments of one verb. Out: results on stdout, progress and human text on stderr, an exit code.
Knows no algorithm: every command parses, calls one function of a lower room and prints.
Start at `main.py`; every verb is one file of the same name.
"""
