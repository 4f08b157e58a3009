"""Does this Fiji compute rightly? Asked once after its start, since patched classes can fail silently."""

from __future__ import annotations

from dlsim_ij.errors import FijiError


def self_test(source: str) -> None:
    """Run two commands whose results are known.

    Raises
    ------
    FijiError
        A command failed or gave a wrong number; this happens with old Fijis on new Javas.
    """
    from jpype import JClass, JException

    ij = JClass("ij.IJ")
    try:
        image = ij.createImage("self-test", "32-bit black", 8, 8, 1)
        ij.run(image, "Add...", "value=7")
        added = float(image.getProcessor().getf(3, 3))
        window_manager = JClass("ij.WindowManager")
        window_manager.setTempCurrentImage(image)
        interpreter = JClass("ij.macro.Interpreter")
        batch, interpreter.batchMode = interpreter.batchMode, True
        try:
            ij.run(image, "Size...", "width=16 height=16 depth=1 average interpolation=Bicubic")
        finally:
            interpreter.batchMode = batch
            window_manager.setTempCurrentImage(None)
        width = int(image.getWidth())
        image.close()
    except JException as error:
        raise FijiError(f"{source} starts, but its commands fail: {error}", _ADVICE) from error
    if added != 7 or width != 16:
        raise FijiError(
            f"{source} starts, but computes wrongly: 0 + 7 = {added:g}, 8 pixels doubled = {width}", _ADVICE
        )


_ADVICE = (
    "an old Fiji on a new Java: update the Fiji, or try"
    " DLSIM_JAVA_OPTIONS='-XX:+UnlockDiagnosticVMOptions -XX:-BytecodeVerificationRemote', or --engine imagej"
)
