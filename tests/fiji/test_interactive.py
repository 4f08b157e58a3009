"""``Fiji(mode="interactive")`` on a display: images are windows that a person sees, and stay open."""

import socket
import struct

import pytest

from dlsim_ij.fiji.display import VirtualDisplay

pytestmark = pytest.mark.jvm


@pytest.fixture
def screen():
    """Return the name of a display that lasts until its first real client has gone."""
    display = VirtualDisplay()
    name = display.start()
    client = socket.socket(socket.AF_UNIX)  # without one, it would end after the mere probe for it
    client.connect(f"/tmp/.X11-unix/X{name[1:]}")
    client.sendall(struct.pack("<BxHHHHxx", 0x6C, 11, 0, 0, 0))
    yield name
    client.close()
    display.stop()


def test_what_a_macro_opens_is_on_the_screen_and_stays(run_script, screen):
    code = """
        from jpype import JClass
        fiji = Fiji(engine="imagej", mode="interactive").start()
        fiji.run_macro('newImage("first", "8-bit ramp", 200, 150, 1);')
        result = fiji.run_macro('Ext.dlsim("resize", "scale=2"); rename("second");')
        windows = JClass("ij.WindowManager")
        print([str(title) for title in windows.getImageTitles()], result.image.shape)
        window = windows.getImage("second").getWindow()
        window.toFront()
        time.sleep(1)
        corner, size = window.getCanvas().getLocationOnScreen(), window.getCanvas().getSize()
        area = JClass("java.awt.Rectangle")(corner.x, corner.y, size.width, size.height)
        shot = JClass("java.awt.Robot")().createScreenCapture(area)
        middle = [shot.getRGB(int(size.width * part), size.height // 2) & 255 for part in (0.1, 0.5, 0.9)]
        print(middle[0] < 60 < middle[1] < 190 < middle[2])
        sys.exit(4)
    """
    rc, out, err = run_script(code, start=False, DISPLAY=screen)
    assert (rc, out) == (4, "['first', 'second'] (300, 400)\nTrue\n"), err
