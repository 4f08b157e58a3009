"""Macros: what they give, and that no failure is silent."""

import logging
import threading

import numpy as np
import pytest
import xarray as xr

from dlsim_ij.errors import FijiError, ImageError, MacroError

pytestmark = pytest.mark.jvm

IMAGE = np.random.default_rng(0).random((24, 20)).astype(np.float32)


def error_of(fiji, code, **inputs):
    with pytest.raises(MacroError) as caught:
        fiji.run_macro(code, **inputs)
    return caught.value


def test_value_argument_and_log(fiji, caplog):
    caplog.set_level(logging.INFO, "dlsim_ij.fiji.java")
    result = fiji.run_macro(
        'print("seen: " + getArgument()); return "got " + getArgument();', "path=[a b] n=2"
    )
    assert result.value == "got path=[a b] n=2"
    assert result.log == "seen: path=[a b] n=2\n"
    assert fiji.run_macro("a = 1;").value is None
    assert fiji.run_macro("a = 1;").log == ""


def test_java_output_becomes_log_records_and_stays_off_stdout(fiji, caplog, capfd):
    caplog.set_level(logging.INFO, "dlsim_ij.fiji.java")
    import jpype

    jpype.JClass("java.lang.System").out.println("from Java")
    fiji.run_macro("a = 1;")
    assert [record.message for record in caplog.records if record.name == "dlsim_ij.fiji.java"] == [
        "from Java"
    ]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("code", "line", "message"),
    [
        ("a = 1;\nb = ;\nc = 3;", 2, "Number or numeric function expected"),
        ("a = 1;\nfoo(3);\nb = 2;\n", 2, "Undefined identifier"),
        ("// one\n/* two\nthree */\nx = nothing;\n", 4, "Undefined variable"),
        ("a = 1;\r\nb = 2;\r\nx = nothing;\r\n", 3, "Undefined variable"),
        ("function f(x) {\n  return x + nothing;\n}\n\na = f(4);", 2, "Undefined variable"),
        ("if (true) {\n  a = 2;\n", 2, "'}' expected"),
        ("a = newArray(3);\n\nb = a[7];\n", 3, r"Index \(7\) out of 0-2 range"),
        ('a = 1;\nexit("my reason");\n', 2, "my reason"),
        ("a = 1;\nx = getPixel(1, 1);\n", 2, "There are no images open"),
        ('a = 1;\nopen("/no/such.tif");\nb = 2;\n', 2, "File not found: /no/such.tif"),
        ('open("/no/such.tif");\n\nx = getWidth();\n', 1, "such.tif; then line 3: There are no images open"),
        ('selectImage("nope");', 1, '"nope" not found'),
        ("a = 1;\nreturn 3;\n", 2, "Macros can only return strings"),
        ("a = 1;\nExt.nothing(1);\n", 2, "Unrecognized Ext function"),
        ('\nx = call("java.lang.Integer.parseInt", "z");\n', 2, 'For input string: "z"'),
    ],
)
def test_failures_name_the_line(fiji, code, line, message):
    error = error_of(fiji, code)
    assert error.line == line
    with pytest.raises(MacroError, match=message):
        raise error


def test_an_error_ends_the_macro_there(fiji, tmp_path):
    """ImageJ's ignoreErrors would go on with a zero for the unknown variable."""
    proof = tmp_path / "went_on.txt"
    error_of(fiji, f'x = nothing;\nFile.saveString("x", "{proof}");')
    assert not proof.exists()


def test_a_file_that_is_not_there(fiji):
    error = error_of(fiji, 'a = 1;\nopen("/nowhere/cell.tif");\na = 2;')
    assert "/nowhere/cell.tif" in error.message
    assert error.line == 2


def test_a_plain_exit_is_an_end_like_any_other(fiji):
    assert fiji.run_macro('print("a"); exit; print("b");').log == "a\n"
    assert fiji.run_macro("exit();").value is None


def test_required_commands(fiji):
    error = error_of(fiji, 'a = 1;\nrun("Gausian Blur...", "sigma=2");', image=IMAGE)
    assert (error.line, error.message) == (2, 'Unrecognized command: "Gausian Blur..."')
    assert error.hint == "did you mean 'Gaussian Blur...'?"


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ('\nx = getNumber("how many", 3);', "how many"),
        ('\nDialog.create("Settings"); Dialog.addString("name", "x"); Dialog.show();', "Settings: name"),
        ('\nwaitForUser("Draw something");', "Draw something"),
        ('\nrun("Gaussian Blur...");', "Sigma"),
        ('\nx = getBoolean("really?");', "really?"),
    ],
)
def test_questions_that_nobody_can_see_are_errors(fiji, code, text):
    error = error_of(fiji, code, image=IMAGE)
    assert "nobody can see it" in error.message
    assert text in error.message
    assert error.line == 2
    assert "getArgument()" in error.hint


def test_messages_go_to_the_log(fiji):
    assert "finished" in fiji.run_macro('showMessage("finished"); a = 1;').log


def test_an_error_in_an_inner_macro_is_no_silence(fiji):
    error = error_of(fiji, 'a = 1;\neval("b = nothing;");')
    assert "Undefined variable in line 1" in error.message
    assert error.line == 2


def test_a_java_error_inside_a_command(fiji):
    """As ImageJ's filter threads report it: to IJ.handleException, after which the macro goes on."""
    import jpype

    def failing_command(image, options):
        jpype.JClass("ij.IJ").handleException(jpype.JClass("java.lang.IllegalStateException")("boom"))
        return ""

    error = error_of(fiji, 'x = Ext.dlsim("fail", "");', image=IMAGE, verbs={"fail": failing_command})
    assert error.message == "java.lang.IllegalStateException: boom"
    code, verbs = 'x = Ext.dlsim("fail", ""); return "on";', {"fail": failing_command}
    lenient = fiji.run_macro(code, image=IMAGE, verbs=verbs, strict=False)
    assert lenient.value == "on"
    assert jpype.JClass("ij.WindowManager").getFrame("Exception") is None


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ('run("Make Montage...", "columns=1");', "Stack required"),
        ('run("Convolve...", "text1=[a b c]");', "Kernel must be square"),
        ('run("Translate...", "x=5 y=5 interpolation=Foo");', '"Foo" is not a valid choice'),
        ('run("Macro...", "code=v=v+nothing");', "Undefined variable in line"),
        ('run("Canvas Size...", "width=-5 height=-5");', "holds no pixels"),
    ],
)
def test_commands_that_refuse(fiji, code, message):
    with pytest.raises((MacroError, ImageError), match=message):
        fiji.run_macro(code, image=IMAGE)


def test_images_go_in_and_come_out(fiji):
    first = xr.DataArray(IMAGE, dims=("Y", "X"), attrs={"name": "first", "pixel_size_um": 0.1})
    result = fiji.run_macro(
        'run("Duplicate...", "title=copy"); run("Add...", "value=1"); run("Set Label...", "label=x");',
        images=[IMAGE + 5], image=first,
    )  # fmt: skip
    assert [image.attrs["name"] for image in result.images] == ["image", "first", "copy"]
    np.testing.assert_allclose(result.image.values, IMAGE + 1)
    np.testing.assert_array_equal(result.images[0].values, IMAGE + 5)
    assert result.image.attrs["pixel_size_um"] == pytest.approx(0.1)
    assert result.to_dict() == {"value": None, "log": "", "tables": {}}


def test_nothing_stays_open(fiji):
    import jpype

    windows = jpype.JClass("ij.WindowManager")
    codes = [
        'newImage("a", "8-bit ramp", 32, 32, 3);', 'newImage("a", "8-bit", 9, 9, 1); x = nothing;',
        'setBatchMode(false); newImage("a", "8-bit", 9, 9, 1);',
        'Table.create("T"); Table.set("A", 0, 1); Table.update;',
        'setBatchMode(true); newImage("a", "8-bit", 9, 9, 1); setBatchMode("exit and display");',
    ]  # fmt: skip
    for code in codes:
        try:
            fiji.run_macro(code)
        except MacroError as error:
            assert "nothing" in code, error  # noqa: PT017
        assert windows.getImageCount() == 0
        assert len(jpype.JClass("ij.macro.Interpreter").getBatchModeImageIDs()) == 0
        titles = {str(frame.getTitle()) for frame in windows.getNonImageWindows()}
        assert titles <= {"Log", "Results"}


def test_shown_images_come_back_too(fiji):
    code = """
        setBatchMode(false);
        newImage("a", "8-bit ramp", 32, 16, 1);
        newImage("b", "8-bit ramp", 8, 8, 1);
        selectImage("a");
    """
    assert [image.shape for image in fiji.run_macro(code).images] == [(8, 8), (16, 32)]


def test_images_of_others_are_left_alone(fiji):
    import jpype

    interpreter = jpype.JClass("ij.macro.Interpreter")
    mine = fiji.to_imageplus(IMAGE, "mine")
    interpreter.batchMode = True
    mine.show()
    try:
        result = fiji.run_macro('newImage("theirs", "8-bit", 9, 9, 1);')
        assert [image.attrs["name"] for image in result.images] == ["theirs"]
        interpreter.batchMode = True
        assert [int(i) for i in interpreter.getBatchModeImageIDs()] == [mine.getID()]
        np.testing.assert_array_equal(fiji.from_imageplus(mine).values, IMAGE)
    finally:
        mine.changes = False
        mine.close()
        interpreter.batchMode = False


def test_tables_are_columns(fiji):
    code = """
        newImage("dots", "8-bit black", 60, 40, 1);
        makeOval(5, 5, 10, 10); fill(); makeOval(30, 20, 12, 12); fill(); run("Select None");
        setThreshold(100, 255);
        run("Set Measurements...", "area mean display redirect=None decimal=3");
        run("Analyze Particles...", "display clear");
        Table.create("Mine"); Table.set("n", 0, 4.5, "Mine"); Table.set("word", 0, "two words", "Mine");
    """
    tables = fiji.run_macro(code).tables
    assert tables["Results"]["Label"] == ["dots", "dots"]
    assert tables["Results"]["Mean"] == [255.0, 255.0]
    assert tables["Results"]["Area"] == pytest.approx([80, 112], abs=3)
    assert tables["Mine"] == {"n": [4.5], "word": ["two words"]}
    assert fiji.run_macro("return d2s(nResults, 0);").value == "0"  # the next macro starts afresh


def test_a_command_with_options_from_python(fiji):
    result = fiji.run_command("Add...", {"value": 2, "stack": True}, np.stack([IMAGE, IMAGE]))
    np.testing.assert_allclose(result.image.values, np.stack([IMAGE, IMAGE]) + 2)
    with pytest.raises(MacroError, match="Unrecognized command"):
        fiji.run_command('a "quoted" \\ name', "", IMAGE)


def test_batch_mode_in_the_macro_changes_nothing(fiji):
    code = """
        setBatchMode(true);
        newImage("a", "32-bit ramp", 16, 16, 1);
        run("Multiply...", "value=2");
        setBatchMode(false);
    """
    assert fiji.run_macro(code).image.values.max() == pytest.approx(2 * 15 / 16)


def test_threads_wait_for_each_other(fiji):
    found = {}

    def work(n):
        image = np.full((8, 8), n, np.float32)
        code = 'for (i = 0; i < 20; i++) { run("Add...", "value=1"); wait(1); }'
        found[n] = fiji.run_macro(code, image=image).image.values

    threads = [threading.Thread(target=work, args=(n,)) for n in (100, 200, 300)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for n, image in found.items():
        np.testing.assert_array_equal(image, np.full((8, 8), n + 20))


def test_an_imagej_that_quits_is_brought_back(fiji):
    fiji.run_macro('run("Quit");')
    assert fiji.run_macro('print("a"); wait(700); print("b");').log == "a\nb\n"  # it quits a moment later
    assert error_of(fiji, "a = 1;\nx = getPixel(1, 1);").line == 2


def test_a_macro_within_a_verb_is_refused(fiji):
    def verb(image, options):
        return fiji.run_macro("a = 1;").value

    error = error_of(fiji, 'x = Ext.dlsim("again", "");', image=IMAGE, verbs={"again": verb})
    assert "from within Ext.dlsim" in error.message
    with pytest.raises(FijiError, match="no mode"):
        type(fiji)(mode="x")
