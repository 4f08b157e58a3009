"""Known vulnerabilities of what is installed, told by pip-audit from PyPI's advisories: a finding fails.

Where the advisories are out of reach (a mirror, no network), nothing can be told, and that is said.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

subprocess.run([sys.executable, "-m", "pip", "check"], check=True)
with tempfile.TemporaryDirectory() as folder:
    found = Path(folder) / "found.json"
    words = ["--skip-editable", "--progress-spinner", "off", "--format", "json", "--output", found]
    done = subprocess.run(
        [sys.executable, "-m", "pip_audit", *words], stderr=subprocess.PIPE, text=True, check=False
    )
    packages = json.loads(found.read_text())["dependencies"] if found.exists() else []
if done.returncode and not packages and "requests.exceptions" not in done.stderr:
    sys.exit(f"audit: pip-audit failed: {done.stderr[-2000:]}")
unsafe = [one for one in packages if one.get("vulns")]
for one in unsafe:
    for each in one["vulns"]:
        print(f"{one['name']} {one['version']}: {each['id']}, mended in {each['fix_versions']}")
audited = [one for one in packages if "skip_reason" not in one]
if not audited:
    print("audit: NOT DONE, PyPI's advisories cannot be reached from here")
else:
    print(f"audit: {len(audited)} of {len(packages)} packages compared with PyPI's advisories")
sys.exit(1 if unsafe else 0)
