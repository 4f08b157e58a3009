"""Start-up stays light: what a plain import and --help may load."""

import subprocess
import sys

HEAVY = {"torch", "jpype", "scyjava", "imagej", "scipy", "matplotlib", "skimage", "xarray", "numpy", "pandas"}


def loaded_by(code):
    program = f"{code}\nimport sys; print('\\n'.join({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_the_package_loads_nothing_heavy():
    assert loaded_by("import dlsim_ij") & HEAVY == set()


def test_help_loads_no_verb_and_nothing_heavy():
    code = "from dlsim_ij.cli.main import run; import sys, io; sys.stdout, kept = io.StringIO(), sys.stdout; "
    code += "run(['--help']); sys.stdout = kept"
    assert loaded_by(code) & HEAVY == set()


def test_the_listing_of_models_loads_no_torch():
    code = "from dlsim_ij.cli.main import run; import sys, io; sys.stdout, kept = io.StringIO(), sys.stdout; "
    code += "assert run(['models']) == 0; sys.stdout = kept"
    assert "torch" not in loaded_by(code)


def test_the_client_of_the_worker_needs_the_standard_library_alone():
    code = "from dlsim_ij.worker import client, protocol, place; import dlsim_ij.cli.main, http.client; "
    code += "client.wanted(['predict']); protocol.Request.here(['predict']); place.Place()"
    assert loaded_by(code) & (HEAVY | {"aiohttp", "asyncio", "multiprocessing", "pydantic", "yaml"}) == set()


def test_the_lazy_names_exist():
    import dlsim_ij

    for name in dlsim_ij.__all__:
        assert getattr(dlsim_ij, name) is not None
