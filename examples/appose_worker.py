"""The network in a worker of Appose, as a Fiji plugin would have it: images in shared memory, no files.

    pip install appose
    python examples/appose_worker.py

New Fiji plugins hold a Python process through Appose (https://github.com/apposed/appose): it runs scripts in
that process, one task after the other, and both sides see the same memory. The two scripts below are all that
such a plugin needs of dlsim_ij; from Java they are sent word for word, by ``Service.task(script, inputs)``.
Here Appose's Python package plays the plugin's part. The model stays loaded between tasks.
"""

import sys
import time
from pathlib import Path

import appose
import numpy as np

import dlsim_ij as dlsim

LOAD = """
from dlsim_ij.inference import load_model

model = load_model(name)
task.export(model=model)  # kept for the tasks to come
task.outputs["scale"] = model.card.scale
"""

PREDICT = """
from dlsim_ij.inference import predict

def tell(done, of):
    task.update("tiles", done, of)

prediction = predict(model, frames.ndarray(), progress=tell)
image.ndarray()[...] = prediction.image
task.outputs["seconds"] = prediction.seconds
task.outputs["angles_deg"] = [pattern.angle_deg for pattern in prediction.patterns]
"""

raw = dlsim.read_image(Path(__file__).parent / "demo_raw.tif")
n_frames, height, width = raw.shape

here = appose.custom().base(sys.prefix).build()  # this very Python; a plugin would build an environment
with here.python() as service:
    begin = time.perf_counter()
    load = service.task(LOAD, {"name": "sim15"}).wait_for()
    print(f"model loaded after {time.perf_counter() - begin:.1f} s")
    scale = load.outputs["scale"]
    with (
        appose.NDArray("uint16", [n_frames, height, width]) as frames,
        appose.NDArray("float32", [scale * height, scale * width]) as image,
    ):
        frames.ndarray()[...] = raw.values
        for turn in ("first", "second"):
            begin = time.perf_counter()
            task = service.task(PREDICT, {"frames": frames, "image": image})
            task.listen(
                lambda event: event.maximum and print(f"  {event.message} {event.current}/{event.maximum}")
            )
            task.wait_for()
            angles = ", ".join(f"{angle:.1f}" for angle in task.outputs["angles_deg"])
            print(f"{turn} stack: {time.perf_counter() - begin:.2f} s, pattern at {angles} degrees")
        result = np.array(image.ndarray())

pixel_size_um = raw.attrs["pixel_size_um"] / scale
dlsim.write_image("appose_sr.tif", result, pixel_size_um=pixel_size_um, overwrite=True)
print(f"appose_sr.tif: {result.shape[1]} x {result.shape[0]} pixels of {1000 * pixel_size_um:.0f} nm")
