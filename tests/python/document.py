"""document.py DOCUMENT LABELS.nii.gz: runs the document's blocks of Python one after another, as a reader would
type them; prints TAP. In the working folder are the model `results` and the image `case_0000.nii.gz`; LABELS is what
predict makes of it.

Blocks of shell commands are left out; one that imports a package which is not there is skipped."""

import ast
import contextlib
import importlib.util
import io
import re
import sys
import warnings

import numpy

document, expected = sys.argv[1:]
names = {}
failures = 0


def blocks(text):
    """The indented blocks, with the line where each begins."""
    for found in re.finditer(r"(?<=\n\n)((?:    .*\n|\n)+)", text):
        block = re.sub(r"^    ", "", found[1], flags=re.MULTILINE).strip() + "\n"
        if block.strip() and not re.match(r"(apt-get|make|pip|python3) ", block):
            yield text.count("\n", 0, found.start()) + 1, block


def missing_packages(block):
    imported = [node for node in ast.walk(ast.parse(block)) if isinstance(node, (ast.Import, ast.ImportFrom))]
    wanted = [node.module if isinstance(node, ast.ImportFrom) else node.names[0].name for node in imported]
    return [name for name in (word.split(".")[0] for word in wanted) if not importlib.util.find_spec(name)]


def check(is_so, what):
    global failures
    print("ok" if is_so else "not ok", "-", what)
    failures += not is_so


class Placed(numpy.ndarray):
    """An array with an affine, as MONAI's MetaTensor."""


def check_transform(wanted):
    """The transform of the document, without MONAI."""
    import nibabel

    image = nibabel.load("case_0000.nii.gz")
    array = numpy.asarray(image.dataobj)[None].view(Placed)
    array.affine = image.affine
    data = names["transform"]({"image": array, "name": "case"})
    check(data["name"] == "case" and data["image"] is array, "the transform keeps what is there")
    check(numpy.array_equal(data["pred"], wanted[None]), "and adds the labels of predict")


def main():
    if missing := missing_packages("import nibabel"):
        print(f"ok - the document's blocks # SKIP without {missing[0]}")
        return 0
    import nibabel

    warnings.filterwarnings("ignore", ".*it has no orientation")
    wanted = numpy.asarray(nibabel.load(expected).dataobj)
    with open(document, encoding="utf-8") as file:
        text = file.read()
    count = 0
    for line, block in blocks(text):
        if missing := missing_packages(block):
            print(f"ok - line {line} # SKIP without {missing[0]}")
            continue
        with contextlib.redirect_stdout(io.StringIO()):
            exec(compile(block, f"{document}, block at line {line}", "exec"), names)
        labels = names["labels"] if "labels" in names else None
        if isinstance(labels, nibabel.spatialimages.SpatialImage):
            check(numpy.array_equal(labels.dataobj, wanted), f"line {line}: an image gets the labels of predict")
        elif isinstance(labels, numpy.ndarray) and labels.ndim == 3:
            check(labels.shape == wanted.T.shape, f"line {line}: an array gets labels")
        else:
            print(f"ok - line {line} runs")
        names.pop("labels", None)
        count += 1
    check(count >= 8, "there are blocks")
    check_transform(wanted)
    with open("labels.nii.gz", "rb") as one, open(expected, "rb") as other:
        check(one.read() == other.read(), "the written file is that of predict, byte by byte")
    return failures != 0


if __name__ == "__main__":
    sys.exit(main())
