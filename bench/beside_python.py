#!/usr/bin/env python3
"""bench/beside_python.py BUILD LABELS: evaluate beside DeepMind's surface-distance and nnU-Net, in one session.

LABELS: a folder of label images (.nii.gz) of two labels or more; 60 of them are compared with themselves, moved by a
voxel. Needs numpy, nibabel, surface-distance and, for the second part, nnunetv2. The best of three runs counts.
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

import nibabel
import numpy
import surface_distance

build, labels = sys.argv[1:3]
out = tempfile.mkdtemp()


def best(run, count=3):
    times = []
    for _ in range(count):
        start = time.perf_counter()
        result = run()
        times.append(time.perf_counter() - start)
    return min(times), result


def evaluate(reference, prediction, *options):
    return subprocess.run([f"{build}/evaluate", reference, prediction, "-o", f"{out}/eval", "--quiet", *options],
                          check=True, capture_output=True, text=True).stdout


def tell(what, theirs, ours):
    print(f"{what}: {theirs:.3f} s, here {ours:.3f} s: {theirs / ours:.1f} times", flush=True)


def write(array, path, spacing):
    nibabel.save(nibabel.Nifti1Image(array.astype(numpy.uint8), numpy.diag([*spacing, 1.0])), path)


def surfaces():
    """Two deformed balls, shifted by a few voxels. The time of evaluate includes reading the files and writing results."""
    z, y, x = numpy.indices((256, 256, 256), dtype=float)
    wavy = numpy.sqrt((z - 127.5) ** 2 + (y - 127.5) ** 2 + (x - 127.5) ** 2)
    wavy += 6 * numpy.sin(z / 9) * numpy.cos(y / 11) * numpy.sin(x / 13)
    reference, prediction = wavy < 100, numpy.roll(wavy, (4, -3, 2), (0, 1, 2)) < 97
    write(reference, f"{out}/reference.nii", (1.5, 1, 1))
    write(prediction, f"{out}/prediction.nii", (1.5, 1, 1))

    def theirs():
        found = surface_distance.compute_surface_distances(reference, prediction, (1.5, 1, 1))
        return (surface_distance.compute_surface_dice_at_tolerance(found, 1),
                surface_distance.compute_robust_hausdorff(found, 95), surface_distance.compute_robust_hausdorff(found, 100),
                numpy.mean(surface_distance.compute_average_surface_distance(found)))

    seconds, values = best(theirs)
    ours, table = best(lambda: evaluate(f"{out}/reference.nii", f"{out}/prediction.nii", "--no-report"))
    print("surface-distance:  NSD %.4f  HD95 %.3f  HD %.3f  ASD %.3f" % values)
    print(table, end="")
    tell("surface metrics of 256 x 256 x 256 voxels, the whole program here", seconds, ours)


def overlaps():
    """A folder of cases, evaluated by the command lines of both."""
    names = sorted(name for name in os.listdir(labels) if name.endswith(".nii.gz"))[:60]
    for name in names:
        os.makedirs(f"{out}/references", exist_ok=True)
        os.makedirs(f"{out}/predictions", exist_ok=True)
        shutil.copy(f"{labels}/{name}", f"{out}/references")
        image = nibabel.load(f"{labels}/{name}")
        moved = numpy.roll(numpy.asanyarray(image.dataobj), 1, 0).astype(numpy.uint8)
        nibabel.save(nibabel.Nifti1Image(moved, image.affine), f"{out}/predictions/{name}")
    theirs = [os.path.join(os.path.dirname(sys.executable), "nnUNetv2_evaluate_simple"), f"{out}/references",
              f"{out}/predictions", "-l", "1", "2", "-np", "2", "-o", f"{out}/theirs.json"]
    seconds, _ = best(lambda: subprocess.run(theirs, check=True, capture_output=True))
    folders = f"{out}/references", f"{out}/predictions"
    for what, options in (("overlap alone", ["--only-overlap", "--no-report"]), ("surface distances and report too", [])):
        ours, _ = best(lambda: evaluate(*folders, *options))
        tell(f"{len(names)} cases, {what}", seconds, ours)
    with open(f"{out}/theirs.json") as a, open(f"{out}/eval/summary.json") as b:
        a, b = (json.load(file)["foreground_mean"]["Dice"] for file in (a, b))
    print(f"mean Dice: {a:.15f} there, {b:.15f} here")


surfaces()
overlaps()
shutil.rmtree(out)
