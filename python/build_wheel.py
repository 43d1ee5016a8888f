#!/usr/bin/env python3
"""build_wheel.py LIBRARY VERSION FOLDER: writes the wheel of the package swin_umamba into FOLDER and prints its path.

The wheel carries LIBRARY (libswinumamba.so) and every library that it needs, except those that each Python for Linux
has: glibc and GCC's C++ run time. The copies get names with a hash of their content, as auditwheel gives them: so a
process takes neither these libraries for those of another package nor the reverse. The platform in the wheel's name is
the oldest manylinux that has all versioned symbols which the libraries require. Their licences are in the wheel.

It needs patchelf, binutils and dpkg, and no network. Exit status 1, with the reason, if something is missing."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from typing import Iterable, NoReturn, Union

TOP = pathlib.Path(__file__).resolve().parent.parent
PACKAGE = "swin_umamba"
INTERFACE = "libswinumamba.so.0"  # the name by which the package opens it
CPP_RUN_TIME = ("libstdc++.so.*", "libgcc_s.so.*")
# N of the first manylinux_2_N whose GCC run time has these versions of symbols (policies of auditwheel).
RUN_TIME_OF = {
    "GLIBCXX": {
        (3, 4, 19): 17,
        (3, 4, 22): 24,
        (3, 4, 24): 27,
        (3, 4, 28): 31,
        (3, 4, 29): 34,
        (3, 4, 30): 35,
        (3, 4, 33): 39,
    },
    "CXXABI": {(1, 3, 7): 17, (1, 3, 10): 24, (1, 3, 11): 27, (1, 3, 12): 31, (1, 3, 13): 34, (1, 3, 15): 39},
    "GCC": {(4, 8, 0): 17, (7, 0, 0): 27, (12, 0, 0): 35, (14, 0, 0): 39},
}
NAMED = {("GLIBC", "ABI_DT_RELR"): 36, ("CXXABI", "FLOAT128"): 24, ("CXXABI", "TM_1"): 17}


def fail(message: str) -> NoReturn:
    sys.exit(f"make wheel: {message}")


def run(*command: Union[str, pathlib.Path]) -> str:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8", errors="replace")
    if done.returncode:
        fail(done.stderr.strip() or f"{' '.join(map(str, command))}: exit status {done.returncode}")
    return done.stdout


def expect_tools() -> None:
    packages = {"patchelf": "patchelf", "objdump": "binutils", "strip": "binutils", "dpkg-query": "dpkg"}
    missing = sorted({package for tool, package in packages.items() if not shutil.which(tool)})
    if missing:
        fail(f"these packages are missing: apt install {' '.join(missing)}")


# ---- the libraries ----


def entries(library: pathlib.Path, kind: str) -> list[str]:
    """NEEDED, SONAME, RPATH of a library."""
    return re.findall(rf"^\s+{kind}\s+(\S+)$", run("objdump", "-p", library), re.MULTILINE)


def unique_name(library: pathlib.Path) -> str:
    """libpng16.so.16 -> libpng16-1a2b3c4d.so.16"""
    stem, ending = library.name.split(".so", 1)
    return f"{stem}-{hashlib.sha256(library.read_bytes()).hexdigest()[:8]}.so{ending}"


def give_unique_names(folder: pathlib.Path) -> None:
    names = {path.name: unique_name(path) for path in folder.iterdir() if path.name != INTERFACE}
    for name, unique in names.items():
        (folder / name).rename(folder / unique)
    for library in folder.iterdir():
        used = [name for name in entries(library, "NEEDED") if name in names]
        # One change after the other: version 0.14 mixes up the texts of several.
        run("patchelf", "--set-soname", library.name, library)
        for name in used:
            run("patchelf", "--replace-needed", name, names[name], library)
        changed = entries(library, "NEEDED") + entries(library, "SONAME") + entries(library, "RPATH")
        if not {library.name, "$ORIGIN", *(names[name] for name in used)} <= set(changed):
            fail(f"{run('patchelf', '--version').strip()} did not change {library.name} as it should")


def collect_libraries(library: pathlib.Path, folder: pathlib.Path, licences: pathlib.Path) -> None:
    shutil.copyfile(library, folder / INTERFACE)
    run("strip", "--strip-debug", folder / INTERFACE)  # before patchelf, whose files strip damages
    without = [word for pattern in CPP_RUN_TIME for word in ("--without", pattern)]
    run(TOP / "tools" / "bundle_libraries", *without, "--licences", licences, folder, folder / INTERFACE)
    give_unique_names(folder)


def oldest_glibc(library: pathlib.Path) -> int:
    """N of the oldest manylinux_2_N that has the versions of symbols which the library requires."""
    found = re.findall(r"\b(GLIBC|GLIBCXX|CXXABI|GCC)_(\S+)$", run("objdump", "-p", library), re.MULTILINE)
    return max([17, *(oldest_with(kind, version, library.name) for kind, version in found)])


def oldest_with(kind: str, version: str, library: str) -> int:
    """The same for one version, such as GLIBC 2.34."""
    if (kind, version) in NAMED:
        return NAMED[kind, version]
    if re.fullmatch(r"[0-9.]+", version):
        numbers = tuple(map(int, version.split(".")))
        if kind == "GLIBC":
            return numbers[1]
        for last, n in RUN_TIME_OF[kind].items():
            if numbers <= last:
                return n
    fail(f"{library} requires {kind}_{version}: no manylinux that this script knows has it")


# ---- the wheel ----


def metadata(version: str) -> str:
    description = (TOP / "docs" / "python.md").read_text(encoding="utf-8")
    return (
        "Metadata-Version: 2.1\n"
        f"Name: {PACKAGE.replace('_', '-')}\nVersion: {version}\n"
        "Summary: Segments medical images with trained Swin-UMamba and nnU-Net models\n"
        "License: Apache-2.0; the libraries in it have licences of their own (licenses/)\n"
        "Requires-Python: >=3.9\nRequires-Dist: numpy (>=1.21)\n"
        "Classifier: Operating System :: POSIX :: Linux\nClassifier: Typing :: Typed\n"
        f"Description-Content-Type: text/markdown\n\n{description}"
    )


def write_zip(wheel: pathlib.Path, files: Iterable[pathlib.Path], root: pathlib.Path, info: str) -> None:
    """Writes the files and, last, RECORD with their hashes. The same files give the same bytes."""
    date = time.gmtime(max(int(os.environ.get("SOURCE_DATE_EPOCH", 0)), 315532800))[:6]  # a zip's time begins in 1980
    record = io.StringIO()
    rows = csv.writer(record, lineterminator="\n")
    with zipfile.ZipFile(wheel, "w") as archive:

        def add(name: str, data: bytes) -> None:
            entry = zipfile.ZipInfo(name, date)
            entry.external_attr = 0o100644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)

        for path in sorted(files):
            name, data = path.relative_to(root).as_posix(), path.read_bytes()
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            rows.writerow([name, f"sha256={digest}", len(data)])
            add(name, data)
        rows.writerow([f"{info}/RECORD", "", ""])
        add(f"{info}/RECORD", record.getvalue().encode())


def build(library: pathlib.Path, version: str, folder: pathlib.Path) -> pathlib.Path:
    with tempfile.TemporaryDirectory() as scratch:
        root, name = pathlib.Path(scratch), f"{PACKAGE}-{version}.dist-info"
        info, libraries, licences = root / name, root / PACKAGE / "libs", root / name / "licenses"
        shutil.copytree(TOP / "python" / PACKAGE, root / PACKAGE, ignore=shutil.ignore_patterns("__pycache__", "libs"))
        for path in (libraries, licences):
            path.mkdir(parents=True)
        collect_libraries(library, libraries, licences)
        shutil.copyfile(TOP / "LICENSE", licences / "LICENSE")
        tag = f"py3-none-manylinux_2_{max(map(oldest_glibc, libraries.iterdir()))}_{platform.machine()}"
        about = f"Wheel-Version: 1.0\nGenerator: {PACKAGE} ({version})\nRoot-Is-Purelib: false\nTag: {tag}\n"
        (info / "WHEEL").write_text(about, encoding="utf-8")
        (info / "METADATA").write_text(metadata(version), encoding="utf-8")
        folder.mkdir(parents=True, exist_ok=True)
        wheel = folder / f"{PACKAGE}-{version}-{tag}.whl"
        unfinished = wheel.with_suffix(".unfinished")
        write_zip(unfinished, (path for path in root.rglob("*") if path.is_file()), root, name)
        return unfinished.replace(wheel)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    expect_tools()
    print(build(pathlib.Path(sys.argv[1]), sys.argv[2], pathlib.Path(sys.argv[3])))
