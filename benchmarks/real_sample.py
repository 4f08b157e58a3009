"""Scores on the paper's public sample: the table of the README. Give its folder as argument.

python benchmarks/real_sample.py ../shared/data/microtubule-sample/microtuble
"""

import sys
from pathlib import Path

import dlsim_ij as dlsim
from dlsim_ij.quality import scores


def main(folder: Path) -> None:
    truth = dlsim.read_image(folder / "HER" / "Sample_1.tif").values
    print("| image | light | PSNR dB | SSIM | registered dB | SSIM |\n|---|---|---|---|---|---|")
    for light, name in (("full", "HE_X2"), ("1/150", "LE_X2")):
        done = dlsim.reconstruct(dlsim.read_image(folder / name / "Sample_1"), pixel_size_um=0.03)
        for label, image in (("widefield", done.widefield), ("Wiener", done.wiener), ("sim15", done.sr)):
            s = scores(truth, image.values)
            print(
                f"| {label} | {light} | {s.psnr_db:.2f} | {s.ssim:.3f} "
                f"| {s.registered.psnr_db:.2f} | {s.registered.ssim:.3f} |"
            )


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "../shared/data/microtubule-sample/microtuble"))
