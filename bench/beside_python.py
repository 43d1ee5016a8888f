#!/usr/bin/env python3
"""The programs here beside their counterparts in Python, on the same cores, in one session. The best of some runs counts.

bench/beside_python.py evaluation BUILD LABELS
    evaluate beside DeepMind's surface-distance and nnU-Net. LABELS: a folder of label images (.nii.gz) of two labels or
    more; 60 of them are compared with themselves, moved by a voxel. Needs numpy, nibabel, surface-distance, nnunetv2.
bench/beside_python.py network BUILD NETWORK [LEVEL]
    A network beside plain PyTorch: forward with batch 1, training step with batch 4, 320x320, fp32, 2 threads. The loss is
    left out there. NETWORK: nnunet, or swin_umamba without its scan there. LEVEL: portable, avx2 or avx512, for both.
    Needs torch.
"""
import atexit
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

if len(sys.argv) not in (4, 5) or sys.argv[1] not in ("evaluation", "network"):
    sys.exit(__doc__)
section, build = sys.argv[1:3]
out = tempfile.mkdtemp()
atexit.register(shutil.rmtree, out)


def best(run, count=3):
    times = []
    for _ in range(count):
        start = time.perf_counter()
        result = run()
        times.append(time.perf_counter() - start)
    return min(times), result


def tell(what, theirs, ours):
    print(f"{what}: {theirs:.3f} s, here {ours:.3f} s: {theirs / ours:.1f} times", flush=True)


def evaluation(labels):
    import nibabel
    import numpy
    import surface_distance

    def evaluate(reference, prediction, *options):
        return subprocess.run([f"{build}/evaluate", reference, prediction, "-o", f"{out}/eval", "--quiet", *options],
                              check=True, capture_output=True, text=True).stdout

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


def network(name, level=None):
    threads, size, classes = 2, 320, 14
    if level:  # oneDNN and PyTorch read these when they are loaded
        os.environ["SWIN_UMAMBA_SIMD"] = level
        os.environ["ONEDNN_MAX_CPU_ISA"] = {"portable": "SSE41", "avx2": "AVX2", "avx512": "AVX512_CORE"}[level]
        os.environ["ATEN_CPU_CAPABILITY"] = {"portable": "default"}.get(level, level)
        os.environ["MKL_ENABLE_INSTRUCTIONS"] = {"portable": "SSE4_2"}.get(level, level.upper())
    import torch

    import torch_network
    torch.set_num_threads(threads)

    def ours(batch, what):
        file = f"{out}/bench.json"
        subprocess.run([f"{build}/bench", "--networks", "-n", name, "-b", str(batch), "--size", f"{size}x{size}",
                        "--precision", "fp32", "--what", what, "--seconds", "1", "-j", str(threads), "--json", file, "--quiet"],
                       check=True, stdout=subprocess.DEVNULL)
        with open(file) as f:
            return json.load(f)["networks"][0]["seconds"]

    def theirs(batch, what, layout):
        network = {"nnunet": torch_network.NnUNet, "swin_umamba": torch_network.SwinUMamba}[name]
        net = network(3, classes).to(memory_format=layout).train(what == "train")
        image = torch.randn(batch, 3, size, size).to(memory_format=layout)
        optimizer = torch.optim.AdamW(net.parameters(), 1e-4)

        def forward():
            with torch.inference_mode():
                net(image)

        def train():
            optimizer.zero_grad()
            heads = net(image)
            torch.autograd.backward(heads, [torch.full_like(head, 1e-6) for head in heads])
            torch.nn.utils.clip_grad_norm_(net.parameters(), 12)
            optimizer.step()

        run = forward if what == "forward" else train
        run()
        return best(run, 8 if what == "forward" else 3)[0]

    print(f"PyTorch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}, {threads} threads")
    for batch, what in ((1, "forward"), (4, "train")):
        before = ours(batch, what)
        for order, layout in (("N,C,H,W", torch.contiguous_format), ("N,H,W,C", torch.channels_last)):
            tell(f"{name}, batch {batch}, {what}, PyTorch in {order}", theirs(batch, what, layout),
                 min(before, ours(batch, what)))


{"evaluation": evaluation, "network": network}[section](*sys.argv[3:])
