"""`dlsim batch` through the real command, in processes of its own where something is killed."""

import csv
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from dlsim_ij.batch_job.array_script import array_script
from dlsim_ij.batch_job.manifest import Manifest
from dlsim_ij.batch_job.resources import Resources
from dlsim_ij.cli.main import run
from dlsim_ij.images import write_image

ROOT = Path(__file__).parents[2]
N_STACKS = 6


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """Return a folder of stacks, with a sub-folder and a file that is no image."""
    folder = tmp_path_factory.mktemp("raw")
    (folder / "day 2").mkdir()
    assert run(["simulate", "-o", str(folder), "--size", "64", "--count", str(N_STACKS), "-q"]) == 0
    for path in folder.glob("*truth.tif"):
        path.unlink()
    stacks = sorted(folder.glob("*_raw.tif"))
    stacks[0].rename(folder / "day 2" / "first.tif")
    (folder / "bad.tif").write_text("not an image")
    return folder


def states(out):
    with open(out / "manifest.csv", newline="") as file:
        return {row["item"]: row["state"] for row in csv.DictReader(file)}


def outputs(out):
    return {p.relative_to(out): p.read_bytes() for p in sorted(out.rglob("*.tif"))}


@pytest.fixture(scope="module")
def one(raw, tmp_path_factory):
    """Return what a single worker makes of it."""
    out = tmp_path_factory.mktemp("one")
    assert batch(raw, out, "--workers", "1") == 1
    return out


def batch(raw, out, *words, verb="recon"):
    return run(["batch", str(raw), "-o", str(out), "--verb", verb, "-q", *words])


def start(raw, out, *words):
    """Start the command in a group of processes of its own."""
    command = [
        sys.executable,
        "-m",
        "dlsim_ij",
        "batch",
        str(raw),
        "-o",
        str(out),
        "--verb",
        "recon",
        "--workers",
        "2",
    ]
    return subprocess.Popen(
        [*command, *words], cwd=ROOT, start_new_session=True, stderr=subprocess.PIPE, text=True
    )


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def has(out, state, at_least=1):
    try:
        return Counter(states(out).values())[state] >= at_least
    except FileNotFoundError:
        return False


def workers_of(process):
    """Return the processes that Dask has spawned below a command."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(status.read_text().rpartition(")")[2].split()[1])
            if parent == process.pid and b"spawn_main" in (status.parent / "cmdline").read_bytes():
                found.append(int(status.parent.name))
        except OSError:
            continue
    return found


def test_a_bad_file_is_named_and_the_others_are_done(one, capfd):
    found = states(one)
    assert found.pop("bad") == "failed"
    assert found["day 2/first"] == "done"
    assert set(found.values()) == {"done"}
    assert len(found) == N_STACKS
    assert (one / "day 2" / "first_wiener.tif").exists()


def test_two_workers_write_the_same_bytes(raw, one, tmp_path, capfd):
    assert batch(raw, tmp_path / "two", "--workers", "2", "--json") == 1
    row = json.loads(capfd.readouterr().out)
    assert (row["done"], row["failed"], row["skipped"], row["left"]) == (N_STACKS, 1, 0, 0)
    assert "bad.tif is a text file" in row["failures"][0]["error"]
    assert outputs(tmp_path / "two") == outputs(one)


def test_parts_write_the_same_bytes_and_one_manifest(raw, one, tmp_path, capfd):
    codes = [batch(raw, tmp_path, "--workers", "1", "--part", f"{k}/2") for k in (1, 2)]
    assert sorted(codes) == [0, 1]
    assert outputs(tmp_path) == outputs(one)
    assert states(tmp_path) == states(one)
    assert sorted(p.name for p in tmp_path.glob("manifest*")) == ["manifest.csv"]


def test_killed_workers_and_a_killed_run_change_nothing(raw, one, tmp_path):
    out = tmp_path / "out"
    process = start(raw, out, "--attempts", "50")
    wait_for(lambda: has(out, "running"))
    os.kill(workers_of(process)[0], signal.SIGKILL)
    wait_for(lambda: has(out, "done", 2))
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    wait_for(lambda: not workers_of(process))
    assert batch(raw, out, "--workers", "2") == 1
    assert outputs(out) == outputs(one)
    assert states(out) == states(one)
    assert list(out.rglob(".*.part.*")) == []


def test_sigterm_leaves_nothing_half_done_and_the_next_call_goes_on(raw, one, tmp_path, capfd):
    out = tmp_path / "out"
    process = start(raw, out)
    wait_for(lambda: has(out, "done"))
    assert batch(raw, out) == 2
    assert "another dlsim batch is at work" in capfd.readouterr().err
    os.killpg(process.pid, signal.SIGTERM)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 143, told
    left = Counter(states(out).values())
    assert left["running"] == 0
    assert f"interrupted: {left['waiting'] + left['interrupted']} inputs are left" in told
    finished = {item for item, state in states(out).items() if state == "done"}
    written = {path: (out / path).stat().st_mtime_ns for path in outputs(out)}
    assert batch(raw, out, "--workers", "2") == 1
    assert outputs(out) == outputs(one)
    kept = [path for path in written if str(path).removesuffix("_wiener.tif") in finished]
    assert all((out / path).stat().st_mtime_ns == written[path] for path in kept)


def test_an_input_that_kills_every_worker_is_failed_with_the_reason(raw, tmp_path, capfd):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.tif").write_bytes((raw / "day 2" / "first.tif").read_bytes())
    words = ["--workers", "1", "--attempts", "1", "--memory-limit", "230MB", "--json"]
    assert batch(tmp_path / "in", tmp_path / "out", *words, verb="predict") == 1
    (failure,) = json.loads(capfd.readouterr().out)["failures"]
    assert "used more than its memory limit of 0.21 GiB; 1 of 1 attempts ended so" in failure["error"]


def plan(raw, out, capfd, *words):
    capfd.readouterr()
    assert batch(raw, out, "--dry-run", "--json", *words) == 0
    rows = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    return Counter(row.get("why") or row["state"] for row in rows)


@pytest.fixture
def copy(raw, one, tmp_path, capfd):
    """Return copies of inputs and of the finished batch, taken over by a call that has nothing to do."""
    subprocess.run(["cp", "-r", str(raw), str(tmp_path / "in")], check=True)
    subprocess.run(["cp", "-r", str(one), str(tmp_path / "out")], check=True)
    return tmp_path / "in", tmp_path / "out"


def test_moved_inputs_with_the_same_content_are_done(copy, capfd):
    assert plan(*copy, capfd) == {"done": N_STACKS, "failed": 1}
    assert batch(*copy) == 1  # no worker is started
    assert plan(*copy, capfd, "--retry-failed") == {"done": N_STACKS, "failed": 1}
    with open(copy[1] / "manifest.csv", newline="") as file:
        (path,) = [row["input"] for row in csv.DictReader(file) if row["item"] == "day 2/first"]
    assert path == str(copy[0] / "day 2" / "first.tif")


def test_changed_inputs_parameters_and_outputs_are_done_again(copy, capfd):
    raw, out = copy
    assert batch(raw, out) == 1
    stacks = sorted(raw.glob("*_raw.tif"))
    os.utime(stacks[0])  # touched only
    write_image(stacks[1], np.ones((15, 64, 64), np.uint16), overwrite=True)
    (out / f"{stacks[2].stem}_wiener.tif").unlink()
    changed = plan(raw, out, capfd)
    assert changed == {"changed input": 1, "missing output": 1, "done": N_STACKS - 2, "failed": 1}
    assert plan(raw, out, capfd, "--no-resume") == {"all": N_STACKS + 1}
    assert plan(raw, out, capfd, "--wiener", "0.1") == {"changed parameters": N_STACKS + 1}
    (raw / "bad.tif").write_text("still not an image")
    assert plan(raw, out, capfd)["changed input"] == 2


def test_files_of_others_are_not_replaced(raw, tmp_path, capfd):
    name = f"{min(raw.glob('*_raw.tif')).stem}_wiener.tif"
    (tmp_path / name).write_text("mine")
    assert batch(raw, tmp_path) == 2
    assert "exists already" in capfd.readouterr().err
    assert (tmp_path / name).read_text() == "mine"
    assert states(tmp_path) == {}


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["--trust-pickle"], "--trust-pickle is not for a batch"),
        (["--no-such-option"], "No such option"),
        (["--report"], "--report is for --verb run"),
        (["--array", "2", "--no-resume"], "--no-resume is not for --array"),
        (["--cluster", "slurm", "--workers", "2"], "not for the jobs of --cluster"),
        (["--part", "3/2"], "'3/2' is not K/N"),
        (["--memory-limit", "much"], "is no amount of memory"),
        (["--scheduler", "tcp://127.0.0.1:1", "--workers", "2"], "give one of the two"),
    ],
)
def test_wrong_usage_is_refused_before_any_work(raw, tmp_path, capfd, words, error):
    assert batch(raw, tmp_path / "out", *words, verb="predict") == 2
    told = capfd.readouterr().err
    assert error in told or error in told.replace("\n", " ")
    assert not (tmp_path / "out" / "manifest.csv").exists()


def test_a_torn_last_line_of_a_killed_run_is_left_out(one, tmp_path):
    text = (one / "manifest.csv").read_text()
    (tmp_path / "manifest.csv").write_text(text + text.splitlines()[1][:40])
    with Manifest(tmp_path) as manifest:
        assert len(manifest.rows) == N_STACKS + 1
    assert (tmp_path / "manifest.csv").read_text() == text


def test_a_table_of_somebody_else_is_refused(tmp_path, raw, capfd):
    (tmp_path / "manifest.csv").write_text("a,b\n1,2\n")
    assert batch(raw, tmp_path) == 2
    assert "is not a manifest of dlsim batch" in capfd.readouterr().err
    assert (tmp_path / "manifest.csv").read_text() == "a,b\n1,2\n"


@pytest.mark.jvm
def test_each_worker_has_an_imagej_of_its_own_and_the_report_shows_all(raw, tmp_path):
    words = ["--verb", "run", "--no-measures", "--engine", "imagej", "--workers", "1", "--report", "-q"]
    stacks = [str(path) for path in sorted(raw.glob("*_raw.tif"))[:2]]
    assert run(["batch", *stacks, "-o", str(tmp_path), *words]) == 0
    page = (tmp_path / "report.html").read_text()
    assert all(Path(stack).stem in page for stack in stacks)
    record = json.loads((tmp_path / f"{Path(stacks[0]).stem}_run.json").read_text())
    assert record["engine"]["name"] == "imagej"
    assert record["command"] == f"dlsim run {stacks[0]} -o {tmp_path} --no-measures --engine imagej"


def test_the_script_of_an_array_does_all_its_parts(raw, one, tmp_path, capfd):
    assert batch(raw, tmp_path, "--array", "2", "--cluster", "pbs", "--only", "*.tif", "--json") == 0
    row = json.loads(capfd.readouterr().out)
    assert row["submit"].startswith("qsub ")
    script = Path(row["script"]).read_text()
    assert "#PBS -J 1-2\n" in script
    assert " --only '*.tif' " in script
    for number in ("1", "2"):
        environment = {**os.environ, "PBS_ARRAY_INDEX": number}
        done = subprocess.run(["bash", row["script"]], env=environment, cwd=ROOT, capture_output=True)
        assert done.returncode in (0, 1), done.stderr
    assert outputs(tmp_path) == outputs(one)


@pytest.mark.parametrize(
    ("system", "parts", "lines", "part"),
    [
        # OpenPBS' chk_Jrange wants an end beyond the start
        ("pbs", 1, ["#PBS -l select=1:ncpus=2:mem=1536mb", "#PBS -l walltime=36:00:00"], "1/1"),
        ("pbs", 2, ["#PBS -J 1-2"], '"${PBS_ARRAY_INDEX}/2"'),
        ("sge", 1, ["#$ -t 1-1", "#$ -pe smp 2", "#$ -l h_vmem=768M"], '"${SGE_TASK_ID}/1"'),
        ("slurm", 1, ["#SBATCH --array=1-1", "#SBATCH --mem=1536M"], '"${SLURM_ARRAY_TASK_ID}/1"'),
    ],
)
def test_what_the_script_of_an_array_asks_for(system, parts, lines, part):
    resources = Resources(cores=2, memory="1.5GB", walltime="1-12:00:00")
    script = array_script(system, parts, ["batch", "in"], resources, "logs").splitlines()
    assert set(lines) <= set(script)
    assert script[-1].endswith(f"--part {part}")
    assert any("-J" in line for line in script) == (system == "pbs" and parts > 1)


def test_a_scheduler_that_runs_has_the_same_bytes(raw, one, tmp_path):
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=1, threads_per_worker=2, host="127.0.0.1", dashboard_address="127.0.0.1:0"
    ) as cluster:
        assert batch(raw, tmp_path, "--scheduler", cluster.scheduler_address) == 1
    assert outputs(tmp_path) == outputs(one)


def test_nobody_at_the_address_of_a_scheduler_is_told(raw, tmp_path, capfd, monkeypatch):
    monkeypatch.setattr("dlsim_ij.batch_job.engines._CONNECT_SECONDS", 1)
    assert batch(raw, tmp_path, "--scheduler", "tcp://127.0.0.1:1") == 2
    assert "no Dask scheduler answers at tcp://127.0.0.1:1" in capfd.readouterr().err


@pytest.mark.jvm
def test_a_macro_follows_and_its_files_are_outputs(raw, tmp_path, capfd):
    macro = tmp_path / "post.ijm"
    macro.write_text(
        'to = replace(getArgument(), ".*output=(.*) folder=.*", "$1.txt");\n'
        'if (indexOf(to, "_002_") >= 0) exit("not this one");\n'
        'File.saveString("seen", to); return to;'
    )
    stacks = [str(path) for path in sorted(raw.glob("*_raw.tif"))[:2]]  # numbers 2 and 3
    out = tmp_path / "out"
    words = ["--verb", "recon", "--post-macro", str(macro), "--workers", "1", "-q", "--json"]
    assert run(["batch", *stacks, "-o", str(out), *words]) == 1
    (failure,) = json.loads(capfd.readouterr().out)["failures"]
    assert "post.ijm" in failure["error"]
    assert "not this one" in failure["error"]
    with open(out / "manifest.csv", newline="") as file:
        (row,) = [row for row in csv.DictReader(file) if row["state"] == "done"]
    assert row["output"].endswith(" | " + f"{row['item']}_wiener.tif.txt")


@pytest.mark.slurm
def test_a_real_slurm_has_the_same_bytes(raw, one, tmp_path, monkeypatch):
    place = _slurm()
    lacks = place.missing()
    if lacks:
        pytest.skip(f"no SLURM can be started here: {', '.join(lacks)} missing")
    resources = tmp_path / "resources.yaml"
    resources.write_text('memory: 1GB\nwalltime: "0:20:00"\n')
    words = ["--cluster", "slurm", "--resources", str(resources)]
    with place.one_node_slurm(tmp_path / "slurm") as environment:
        monkeypatch.setenv("SLURM_CONF", environment["SLURM_CONF"])
        assert batch(raw, tmp_path / "array", "--array", "2", *words) == 0
        script = tmp_path / "array" / "dlsim_array.sh"
        subprocess.run(["sbatch", "--wait", str(script)], cwd=ROOT, capture_output=True, timeout=250)
        assert outputs(tmp_path / "array") == outputs(one)
        assert batch(raw, tmp_path / "jobs", "--jobs", "2", *words) == 1
    assert outputs(tmp_path / "jobs") == outputs(one)


def _slurm():
    path = Path(__file__).with_name("one_node_slurm.py")
    spec = importlib.util.spec_from_file_location("one_node_slurm", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_workers_keep_no_profile_of_themselves():
    """It grows by 100 MiB in five minutes."""
    import dask

    from dlsim_ij.batch_job.engines import local_engine

    with local_engine(1, 1) as engine:
        kept = engine.client.run(dask.config.get, "distributed.worker.profile.enabled")
    assert list(kept.values()) == [False]
