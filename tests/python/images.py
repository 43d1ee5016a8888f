"""images.py BUILD FOLDER: arrays, files and images of other packages get the labels of the program predict."""

import dataclasses

import numpy as np

import swin_umamba
from case import affine, case, check, expected, expected_file, files, folder, image, importable, predict, raises
from case import read_nifti, run, spacing, write_picture


def test_info(model):
    info = model.info
    check(
        info.network == "swin_umamba_d" and info.file_ending == ".nii.gz" and info.folds == 1,
        "it tells network and folds",
    )
    check(len(info.channels) == 2 and info.labels["background"] == 0 and len(info.labels) > 1, "channels and labels")
    check(info.patch == (32, 32) and np.allclose(info.spacing, spacing, rtol=0.5), "patch and spacing")
    check(not info.has_regions and info.threads >= 1, "regions and threads")
    counts = [swin_umamba.load(folder / "one", folds=folds).info.folds for folds in (None, 1, [0, 1], "0-1", "1")]
    check(counts == [2, 1, 2, 2, 1], "folds may be chosen")


def test_arrays(model):
    labels = model.predict(image, spacing)
    check(labels.dtype == expected.dtype and np.array_equal(labels, expected), "an array gets the labels of predict")
    check(len(np.unique(labels)) > 1, "which are not empty")
    check(np.array_equal(model.predict(image, affine=affine), expected), "also with the affine instead of the spacing")
    full = np.vstack([affine, [0, 0, 0, 1]])
    check(np.array_equal(model.predict(image, spacing, full), expected), "and with both, the affine being (4,4)")
    check(np.array_equal(model.predict(list(image), spacing), expected), "a list of channels")
    wide = np.asfortranarray(image.astype(">f8"))
    check(np.array_equal(model.predict(wide, spacing), expected), "another order of axes in memory and of bytes")
    turned = image[:, ::-1]
    check(np.array_equal(model.predict(turned, spacing)[::-1], expected), "a view with a negative step")


def test_probabilities(model):
    predict([folder / "volumes-raw/imagesTr"], "volumes", folder / "saved", "--save-probabilities")
    saved = np.load(folder / "saved/phantom_001.npy")
    labels, values = model.predict(image, spacing, probabilities=True)
    check(
        values.dtype == np.float32 and values.shape == (len(model.info.labels), *labels.shape),
        "probabilities have the classes first",
    )
    check(np.array_equal(np.moveaxis(values, 0, -1), saved), "they are those of --save-probabilities, to the bit")
    twin = swin_umamba.load(folder / "volumes")
    twin.info = dataclasses.replace(twin.info, labels={"one name for all": 1})
    _, again = twin.predict(image, spacing, probabilities=True)
    check(np.array_equal(again, values), "also if two classes have one name, and the names are fewer")
    check(np.array_equal(labels, read_nifti(folder / "saved/phantom_001.nii.gz")[0]), "and so are the labels")


def test_pictures(_model):
    with swin_umamba.load(folder / "pictures") as model:
        picture = np.random.default_rng(1).integers(0, 255, (50, 45)).astype(np.int16)
        picture[10:30, 12:30] += 200
        write_picture(folder / "picture.nii", picture)
        predict([folder / "picture.nii"], "pictures", folder / "picture_labels.nii.gz")
        wanted = read_nifti(folder / "picture_labels.nii.gz")[0][0]
        labels, values = model.predict(picture, probabilities=True)
        check(labels.shape == picture.shape and np.array_equal(labels, wanted), "a picture needs no spacing")
        check(values.shape == (len(model.info.labels), *picture.shape), "its probabilities")
        check(np.array_equal(model.predict(picture, (1, 1)), wanted), "it may have one")
        check(np.array_equal(model.predict(picture[None], (5, 1, 1))[0], wanted), "a volume of one slice")
        raises(
            swin_umamba.InvalidValueError,
            "volume",
            lambda: model.predict(picture, affine=np.eye(4)),
            "an affine of a picture",
        )
    with swin_umamba.load(folder / "volumes") as model:
        check(model.predict(image[:, 0], spacing[1:]).shape == image.shape[2:], "a slice of two channels")
        raises(ValueError, "spacing=(y, x)", lambda: model.predict(image[:, 0]), "a slice without spacing")


def test_files(model):
    output = folder / "from_python.nii.gz"
    model.predict_file(files, output)
    check(output.read_bytes() == expected_file.read_bytes(), "files become the file of predict, byte by byte")
    output.unlink()
    model.predict_file([str(path) for path in files], str(output))
    check(output.read_bytes() == expected_file.read_bytes(), "paths may be text")
    with swin_umamba.load(folder / "one") as one:
        one.predict_file(case, output)
        check(
            output.read_bytes() == predict([case], "one", folder / "one.nii.gz").read_bytes(),
            "one file, without a list",
        )


# ---- images of other packages ----


def test_nibabel(model):
    nibabel = importable("nibabel")
    if not nibabel:
        return
    images = [nibabel.load(path) for path in files]
    labels, values = model.predict(images, probabilities=True)
    check(type(labels) is type(images[0]), "nibabel: an image is returned")
    check(np.array_equal(np.asarray(labels.dataobj).T, expected), "nibabel: with the labels of predict")
    check(labels.get_data_dtype() == np.uint8, "nibabel: of the labels' type")
    nibabel.save(labels, folder / "nibabel.nii.gz")
    again, wanted = nibabel.load(folder / "nibabel.nii.gz"), nibabel.load(expected_file)
    check(np.array_equal(np.asarray(again.dataobj), np.asarray(wanted.dataobj)), "nibabel: also in a file")
    check(
        np.allclose(again.affine, wanted.affine) and again.header.get_zooms() == wanted.header.get_zooms(),
        "nibabel: at the same place",
    )
    check(
        np.array_equal(values.shape, (*images[0].shape, len(model.info.labels))),
        "nibabel: probabilities are a fourth axis",
    )
    joined = nibabel.Nifti1Image(
        np.stack([np.asarray(i.dataobj) for i in images], -1), images[0].affine, images[0].header
    )
    four = model.predict(joined)
    check(four.ndim == 3 and np.array_equal(np.asarray(four.dataobj).T, expected), "nibabel: channels in one image")
    scale = np.diag([0.001, 0.001, 0.001, 1])
    header = images[0].header.copy()
    header.set_zooms([zoom * 0.001 for zoom in header.get_zooms()])
    header.set_xyzt_units("meter")
    metres = [nibabel.Nifti1Image(np.asarray(i.dataobj), scale @ i.affine, header) for i in images]
    check(np.array_equal(np.asarray(model.predict(metres).dataobj).T, expected), "nibabel: lengths in metres")
    moved = nibabel.Nifti1Image(np.asarray(images[1].dataobj), images[1].affine + np.eye(4, k=3), images[1].header)
    raises(
        swin_umamba.InvalidValueError,
        "image 1 lies elsewhere",
        lambda: model.predict([images[0], moved]),
        "nibabel: channels of two places",
    )
    raises(
        swin_umamba.InvalidValueError,
        "arrays only",
        lambda: model.predict(images, spacing),
        "nibabel: a spacing beside the image's",
    )
    raises(
        swin_umamba.ShapeError,
        "shape",
        lambda: model.predict(nibabel.Nifti1Image(np.zeros((2, 2, 2, 1, 2), np.int16), None)),
        "nibabel: five axes",
    )
    one = swin_umamba.load(folder / "one")
    labels = one.predict(nibabel.load(case))
    wanted = read_nifti(predict([case], "one", folder / "one.nii.gz"))[0]
    check(np.array_equal(np.asarray(labels.dataobj).T, wanted), "nibabel: one image, without a list")
    turned = nibabel.load(case).as_reoriented([[1, -1], [2, 1], [0, -1]])
    nibabel.save(turned, folder / "turned.nii")
    wanted = read_nifti(predict([folder / "turned.nii"], "one", folder / "turned_labels.nii.gz"))[0]
    check(np.array_equal(np.asarray(one.predict(turned).dataobj).T, wanted), "nibabel: a model that turns images")
    with swin_umamba.load(folder / "pictures") as pictures:
        labels = pictures.predict(nibabel.load(folder / "picture.nii"))
    wanted = read_nifti(folder / "picture_labels.nii.gz")[0][0]
    check(labels.ndim == 2 and np.array_equal(np.asarray(labels.dataobj).T, wanted), "nibabel: two axes")
    plain = nibabel.Nifti1Image(np.asarray(nibabel.load(case).dataobj), None)
    plain.header.set_zooms(nibabel.load(case).header.get_zooms())
    nibabel.save(plain, folder / "placeless.nii")
    in_memory = one.predict(plain)
    wanted = read_nifti(predict([folder / "placeless.nii"], "one", folder / "placeless_labels.nii.gz"))[0]
    check(
        np.array_equal(np.asarray(one.predict(nibabel.load(folder / "placeless.nii")).dataobj).T, wanted),
        "nibabel: an image without a place",
    )
    check(np.array_equal(np.asarray(in_memory.dataobj).T, wanted), "nibabel: such an image in memory")


def test_simpleitk(model):
    sitk = importable("SimpleITK")
    if not sitk:
        return
    images = [sitk.ReadImage(str(path)) for path in files]
    labels, values = model.predict(images, probabilities=True)
    check(
        isinstance(labels, sitk.Image) and np.array_equal(sitk.GetArrayFromImage(labels), expected),
        "SimpleITK: the labels of predict",
    )
    check(labels.GetPixelID() == sitk.sitkUInt8, "SimpleITK: of the labels' type")
    for what in ("Spacing", "Origin", "Direction"):
        check(
            getattr(labels, f"Get{what}")() == getattr(images[0], f"Get{what}")(),
            f"SimpleITK: the image's {what.lower()}",
        )
    check(values.GetNumberOfComponentsPerPixel() == len(model.info.labels), "SimpleITK: probabilities are components")
    joined = model.predict(sitk.Compose(images))
    check(np.array_equal(sitk.GetArrayFromImage(joined), expected), "SimpleITK: channels as components")
    with swin_umamba.load(folder / "one") as one:
        turned = sitk.PermuteAxes(sitk.Flip(sitk.ReadImage(str(case)), (True, False, True)), (2, 0, 1))
        sitk.WriteImage(turned, str(folder / "turned.nii"))
        wanted = read_nifti(predict([folder / "turned.nii"], "one", folder / "turned_labels.nii.gz"))[0]
        check(
            np.array_equal(sitk.GetArrayFromImage(one.predict(turned)), wanted), "SimpleITK: a model that turns images"
        )
    flat = sitk.ReadImage(str(folder / "picture.nii"))
    with swin_umamba.load(folder / "pictures") as pictures:
        labels = pictures.predict(flat)
    wanted = read_nifti(folder / "picture_labels.nii.gz")[0][0]
    check(
        labels.GetDimension() == 2 and np.array_equal(sitk.GetArrayFromImage(labels), wanted),
        "SimpleITK: two dimensions",
    )
    images[1].SetOrigin((0, 0, 77))
    raises(
        swin_umamba.InvalidValueError,
        "image 1 lies elsewhere",
        lambda: model.predict(images),
        "SimpleITK: channels of two places",
    )


if __name__ == "__main__":
    run(
        test_info,
        test_arrays,
        test_probabilities,
        test_files,
        test_pictures,
        test_nibabel,
        test_simpleitk,
    )
