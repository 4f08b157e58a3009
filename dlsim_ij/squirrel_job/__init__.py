"""SQUIRREL jobs: files to compare in, records, tables and error maps out.

In: pairs of files, stacks plane by plane. Out: one record per plane as plain dictionaries, CSV tables and
ImageJ TIFFs. Knows no command line and no progress bars. Below it: processes, images, quality. Start at
`job.py`.
"""

from dlsim_ij.squirrel_job.job import Comparison, Plan, plan_comparisons, run_comparisons
from dlsim_ij.squirrel_job.maps import MapWriter, map_paths
from dlsim_ij.squirrel_job.measure import Settings
from dlsim_ij.squirrel_job.plugin import check_plugin_settings, compare_with_plugin
from dlsim_ij.squirrel_job.seed_batch import SeedFrame, find_seed_frames, seed_table
from dlsim_ij.squirrel_job.tables import to_csv

__all__ = [
    "Comparison",
    "Plan",
    "Settings",
    "plan_comparisons",
    "run_comparisons",
    "MapWriter",
    "map_paths",
    "to_csv",
    "check_plugin_settings",
    "compare_with_plugin",
    "SeedFrame",
    "find_seed_frames",
    "seed_table",
]
