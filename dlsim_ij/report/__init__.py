"""Report: the record of a run in, one self-contained report.html and tables out.

In: a results folder with images and a ``<name>_run.json`` per input. Out: report.html, metrics.csv,
metrics.json and params.json in that folder. Does not know how a result was computed. Start at `document.py`
for the data and `build.py` for the way through; `sections.py` puts the sections of a page in order.
"""

from dlsim_ij.report.build import write_report
from dlsim_ij.report.curves import load_curves, save_curves
from dlsim_ij.report.document import Notice, RunImage, RunRecord
from dlsim_ij.report.records import find_records, load_record, save_record

__all__ = [
    "RunRecord",
    "RunImage",
    "Notice",
    "save_record",
    "load_record",
    "find_records",
    "save_curves",
    "load_curves",
    "write_report",
]
