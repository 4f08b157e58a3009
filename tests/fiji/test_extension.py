"""``Ext.dlsim``: a macro calls Python in the same process."""

import numpy as np
import pytest
import xarray as xr

from dlsim_ij.errors import ImageError, MacroError
from dlsim_ij.images import bicubic_enlarge

pytestmark = pytest.mark.jvm

IMAGE = xr.DataArray(
    np.random.default_rng(0).random((12, 16)).astype(np.float32), dims=("Y", "X"),
    attrs={"name": "cell", "pixel_size_um": 0.1},
)  # fmt: skip


def test_resize_leaves_the_enlarged_image_current(fiji):
    code = """
        Ext.dlsim("resize", "scale=2");
        run("Multiply...", "value=3");
        getPixelSize(unit, width, height);
        return getTitle() + " " + getWidth() + " " + getHeight() + " " + d2s(width, 3) + " " + unit;
    """
    result = fiji.run_macro(code, image=IMAGE)
    assert result.value == "cell 32 24 0.050 microns"
    np.testing.assert_allclose(result.image.values, 3 * bicubic_enlarge(IMAGE.values, 2), rtol=1e-6)
    assert len(result.images) == 2
    assert result.log == ""


def test_options_and_strings_go_through(fiji):
    seen = []

    def verb(image, options):
        seen.append((image.attrs["name"], dict(image.sizes), options))
        return 'an "answer" µ'

    code = 'a = Ext.dlsim("ask", "path=[/my data/c 1.tif] n=3 fast"); b = Ext.dlsim("ask"); return a + b;'
    assert fiji.run_macro(code, image=IMAGE, verbs={"ask": verb}).value == 'an "answer" µ' * 2
    expected = {"path": "/my data/c 1.tif", "n": "3", "fast": "true"}
    assert seen == [("cell", {"Y": 12, "X": 16}, expected), ("cell", {"Y": 12, "X": 16}, {})]


def test_each_call_sees_the_image_that_is_current_then(fiji):
    code = """
        a = Ext.dlsim("mean", ""); run("Add...", "value=10"); b = Ext.dlsim("mean", "");
        newImage("other", "8-bit black", 8, 8, 1); c = Ext.dlsim("mean", "");
        return a + " " + b + " " + c;
    """
    verbs = {"mean": lambda image, options: f"{float(image.mean()):.3f}"}
    mean = float(IMAGE.mean())
    assert fiji.run_macro(code, image=IMAGE, verbs=verbs).value == f"{mean:.3f} {mean + 10:.3f} 0.000"


@pytest.mark.parametrize(
    ("call", "message", "hint"),
    [
        ('"rezise", ""', "no verb 'rezise'", "did you mean 'resize'?"),
        ('"resize", "scale=two"', "scale=two is not a number", "for example scale=2"),
        ('"resize", "scale=2 scal=3"', "has no option 'scal'", "did you mean 'scale'?"),
        ('"resize", "scale=-1"', "scale -1.0 is not a positive number", "2 doubles the size"),
        ('"resize", "path=[open"', "cannot read the options", "values with spaces in brackets"),
        ('"own", ""', "the data are odd", "try even ones"),
    ],
)
def test_a_python_refusal_stops_the_macro_at_its_line(fiji, call, message, hint, tmp_path):
    def own(image, options):
        raise ImageError("the data are odd", "try even ones")

    proof = tmp_path / "went_on"
    with pytest.raises(MacroError, match=message) as caught:
        fiji.run_macro(
            f'a = 1;\n\nExt.dlsim({call});\nFile.saveString("x", "{proof}");', image=IMAGE, verbs={"own": own}
        )
    assert caught.value.line == 3
    assert hint in caught.value.hint
    assert not proof.exists()


def test_a_bug_in_a_verb_is_not_hidden(fiji):
    def verb(image, options):
        return image["missing"]

    with pytest.raises(KeyError) as caught:
        fiji.run_macro('\nx = Ext.dlsim("bug", "");', image=IMAGE, verbs={"bug": verb})
    assert caught.value.__notes__ == ["in line 2 of the macro"]
    with pytest.raises(TypeError, match="returned int, not a DataArray, str or Answer"):
        fiji.run_macro('x = Ext.dlsim("bug", "");', image=IMAGE, verbs={"bug": lambda image, options: 3})


def test_without_an_image_it_says_so(fiji):
    with pytest.raises(MacroError, match=r"Ext.dlsim\('resize'\): no image is open"):
        fiji.run_macro('x = Ext.dlsim("resize", "scale=2");')


def test_functions_and_global_variables_of_the_macro_still_work(fiji):
    code = """
        var factor = 2;
        function enlarge() { return Ext.dlsim("resize", "scale=" + factor); }
        enlarge(); enlarge();
        return "" + getWidth();
    """
    assert fiji.run_macro(code, image=IMAGE).value == "64"
