import numpy as np
import pytest
import safetensors.numpy

from dlsim_ij.datasets.field_file import Planes, open_field, read_header, write_field
from dlsim_ij.errors import DataError

STACK = np.random.default_rng(0).integers(0, 65536, (4, 6, 5), dtype=np.uint16)
TRUTH = np.random.default_rng(1).random((12, 10), dtype=np.float32)


def planes(array: np.ndarray) -> Planes:
    return Planes(
        shape=array.shape, dtype=array.dtype.name, planes=lambda: iter(array.reshape(-1, *array.shape[-2:]))
    )


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "field.safetensors"
    write_field(path, {"normal": planes(STACK), "truth": planes(TRUTH)}, {"name": "Zelle µ"})
    return path


def test_what_was_written_is_mapped(path):
    tensors = open_field(path)
    assert isinstance(tensors["normal"], np.memmap)
    np.testing.assert_array_equal(tensors["normal"], STACK)
    np.testing.assert_array_equal(tensors["truth"], TRUTH)
    assert read_header(path) == {"name": "Zelle µ"}
    with pytest.raises(ValueError, match="read-only"):
        tensors["normal"][0, 0, 0] = 1


@pytest.mark.parametrize("length", range(8))
def test_the_data_are_aligned_whatever_the_header(tmp_path, length):
    path = tmp_path / "field.safetensors"
    write_field(path, {"truth": planes(TRUTH)}, {"name": "x" * length})
    assert int.from_bytes(path.read_bytes()[:8], "little") % 8 == 0
    np.testing.assert_array_equal(open_field(path)["truth"], TRUTH)


def test_the_library_of_the_format_reads_it(path):
    tensors = safetensors.numpy.load_file(path)
    np.testing.assert_array_equal(tensors["normal"], STACK)
    np.testing.assert_array_equal(tensors["truth"], TRUTH)


def test_a_failure_leaves_nothing(tmp_path):
    def broken():
        yield STACK[0]
        raise KeyboardInterrupt

    path = tmp_path / "field.safetensors"
    with pytest.raises(KeyboardInterrupt):
        write_field(path, {"normal": Planes(shape=STACK.shape, dtype="uint16", planes=broken)}, {})
    assert list(tmp_path.iterdir()) == []


def test_planes_of_a_wrong_size_or_number_are_our_bug(tmp_path):
    path = tmp_path / "field.safetensors"
    for wrong in (STACK[:3], STACK[:, :5]):
        with pytest.raises(ValueError, match="normal: "):
            write_field(
                path,
                {"normal": Planes(shape=STACK.shape, dtype="uint16", planes=lambda w=wrong: iter(w))},
                {},
            )
    assert not path.exists()


@pytest.mark.parametrize("cut", [0, 5, 100, -1])
def test_a_damaged_file_is_named(path, cut):
    whole = path.read_bytes()
    path.write_bytes(whole[:cut])
    with pytest.raises(DataError, match=r"field\.safetensors is damaged"):
        open_field(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"nothing\.safetensors is missing"):
        read_header(tmp_path / "nothing.safetensors")


def test_foreign_tensors_are_refused(tmp_path):
    path = tmp_path / "field.safetensors"
    safetensors.numpy.save_file({"normal": np.zeros((2, 2))}, path)
    with pytest.raises(DataError, match="'normal' has the type F64"):
        open_field(path)
