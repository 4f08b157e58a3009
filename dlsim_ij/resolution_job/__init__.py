"""The resolution job: image files in, one record for each plane and tables of them out.

In: paths and settings. Out: records in plane order (JSON's), two kinds of CSV, figures. Knows no command
line. Below it: quality, images, report; fiji for the published plugin's numbers. Start at `job.py`; one plane
is measured in `measure.py`.
"""

from dlsim_ij.resolution_job.job import Plan, plan_job, run_job
from dlsim_ij.resolution_job.journal import Journal
from dlsim_ij.resolution_job.measure import PlaneJob, PlaneMeasurer, Settings
from dlsim_ij.resolution_job.plugin import check_plugin_settings, measure_with_plugin
from dlsim_ij.resolution_job.tables import OwnTable, PluginTable, summaries

__all__ = [
    "plan_job",
    "run_job",
    "Plan",
    "Settings",
    "PlaneJob",
    "PlaneMeasurer",
    "Journal",
    "OwnTable",
    "PluginTable",
    "summaries",
    "check_plugin_settings",
    "measure_with_plugin",
]
