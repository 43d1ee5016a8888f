"""anywhere.py MODEL IMAGE.nii.gz LABELS.nii.gz: where only NumPy and the wheel are installed, the labels of the image
are those that predict wrote elsewhere. Exit status 1 if they are not."""

import gzip
import pathlib
import sys
import tempfile

import numpy

import swin_umamba

model_path, image, labels = (pathlib.Path(argument) for argument in sys.argv[1:])
with swin_umamba.load(model_path) as model, tempfile.TemporaryDirectory() as folder:
    written = pathlib.Path(folder, "labels.nii.gz")
    model.predict_file(image, written)
    is_same = gzip.decompress(written.read_bytes()) == gzip.decompress(labels.read_bytes())
    voxels = numpy.zeros((len(model.info.channels), 3, 40, 44))
    is_same &= model.predict(voxels, spacing=model.info.spacing).shape == voxels.shape[1:]
print(f"Python {sys.version.split()[0]}, NumPy {numpy.__version__}:", "the same labels" if is_same else "OTHER labels")
sys.exit(not is_same)
