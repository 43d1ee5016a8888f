#!/usr/bin/env python3
"""build_wheel.py LIBRARY VERSION FOLDER: writes the wheel of the package swin_umamba into FOLDER and prints its path.

The wheel carries LIBRARY (libswinumamba.so) and every library that it needs, except those that each Python for Linux has:
glibc and GCC's C++ run time. The copies get names with a hash of their content, as auditwheel gives them: so a process
takes neither these libraries for those of another package nor the reverse. The platform in the wheel's name is the oldest
manylinux that has all versioned symbols which the libraries require. The licences of all of them are in the wheel.

It needs patchelf, binutils and dpkg, and no network. Exit status 1, with the reason, if something is missing."""

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

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parent
PACKAGE = "swin_umamba"
INTERFACE = "libswinumamba.so.0"  # the name by which the package opens it
SYSTEM = re.compile(r"(linux-vdso|ld-linux[-\w]*|libc|libm|libmvec|libdl|libpthread|librt|libgcc_s|libstdc\+\+)\.so(\.\d+)?$")
# The minor version of the first manylinux_2_N whose GCC run time has these versions of symbols (policies of auditwheel).
GCC_RUN_TIME = {
    "GLIBCXX": [((3, 4, 19), 17), ((3, 4, 22), 24), ((3, 4, 24), 27), ((3, 4, 28), 31), ((3, 4, 29), 34), ((3, 4, 30), 35),
                ((3, 4, 33), 39)],
    "CXXABI": [((1, 3, 7), 17), ((1, 3, 10), 24), ((1, 3, 11), 27), ((1, 3, 12), 31), ((1, 3, 13), 34), ((1, 3, 15), 39)],
    "GCC": [((4, 8, 0), 17), ((7, 0, 0), 27), ((12, 0, 0), 35), ((14, 0, 0), 39)],
}  # fmt: skip
REQUIRES_PYTHON = ">=3.9"


def fail(message):
    sys.exit(f"make wheel: {message}")


def run(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8", errors="replace")
    if done.returncode:
        fail(f"{' '.join(map(str, command))}: exit status {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def expect_tools():
    packages = {"patchelf": "patchelf", "objdump": "binutils", "strip": "binutils", "dpkg-query": "dpkg", "ldd": "libc-bin"}
    missing = sorted({package for tool, package in packages.items() if not shutil.which(tool)})
    if missing:
        fail(f"these packages are missing: apt install {' '.join(missing)}")


# ---- which libraries ----


def needed_libraries(library):
    """{name: path} of the libraries that the loader takes for this one, without those of the system."""
    libraries = {}
    for line in run("ldd", library).splitlines():
        name, _, path = (word.strip() for word in line.partition("=>"))
        path = path.split(" (")[0]
        name = os.path.basename(name.split(" (")[0])
        if SYSTEM.match(name):
            continue
        if not path.startswith("/"):
            fail(f"{library} needs {name}, which was not found")
        libraries[name] = pathlib.Path(path)
    return libraries


def required_versions(library):
    """The versions of symbols that it requires: {("GLIBC", (2, 34)), …}."""
    found = re.findall(r"\b(GLIBC|GLIBCXX|CXXABI|GCC)_([0-9.]+)$", run("objdump", "-p", library), re.MULTILINE)
    return {(kind, tuple(map(int, version.split(".")))) for kind, version in found}


def minor_of(kind, version, library):
    if kind == "GLIBC":
        return version[1]
    for last, minor in GCC_RUN_TIME[kind]:
        if version <= last:
            return minor
    fail(f"{library} requires {kind}_{'.'.join(map(str, version))}: no manylinux that this script knows has it")


def platform_tag(libraries):
    needs = [minor_of(kind, version, library) for library in libraries for kind, version in required_versions(library)]
    return f"manylinux_2_{max(needs + [17])}_{platform.machine()}"


# ---- their copies ----


def unique_name(name, path):
    """libpng16.so.16 -> libpng16-1a2b3c4d.so.16"""
    stem, ending = name.split(".so", 1)
    return f"{stem}-{hashlib.sha256(path.read_bytes()).hexdigest()[:8]}.so{ending}"


def copy_libraries(library, needed, folder):
    names = {name: unique_name(name, path) for name, path in needed.items()}
    copies = {path: folder / names[name] for name, path in needed.items()}
    copies[library] = folder / INTERFACE
    for path, copy in copies.items():
        shutil.copyfile(path, copy)
    run("strip", "--strip-debug", copies[library])  # before patchelf, whose files strip damages
    for copy in copies.values():
        renamed = [word for name in entries(copy, "NEEDED") if name in names for word in ("--replace-needed", name, names[name])]
        # One after the other: version 0.14 mixes up the texts of changes that are made together.
        run("patchelf", "--set-soname", copy.name, copy)
        run("patchelf", "--set-rpath", "$ORIGIN", copy)
        if renamed:
            run("patchelf", *renamed, copy)
        expect_changed(copy, set(names.values()))
    return copies


def entries(library, kind):
    return re.findall(rf"^\s+{kind}\s+(\S+)$", run("objdump", "-p", library), re.MULTILINE)


def expect_changed(copy, carried):
    others = [name for name in entries(copy, "NEEDED") if name not in carried and not SYSTEM.match(name)]
    if others or entries(copy, "SONAME") != [copy.name] or entries(copy, "RUNPATH") != ["$ORIGIN"]:
        fail(f"patchelf {run('patchelf', '--version').split()[-1]} did not change {copy.name} as it should")


# ---- licences ----


def package_of(path):
    """The Debian package that a file belongs to. Its folder may be a link (/lib -> /usr/lib), and dpkg knows one name."""
    real = path.resolve()
    for name in (path, real, pathlib.Path(str(real).replace("/usr/lib/", "/lib/", 1))):
        found = subprocess.run(["dpkg-query", "-S", name], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, encoding="utf-8")
        if found.returncode == 0:
            return found.stdout.split(": ")[0].split(":")[0]
    fail(f"{path} belongs to no Debian package: its licence, which must be in the wheel, is not known")


def add_licences(libraries, folder):
    """Each package's copyright file, and the common texts to which they refer."""
    shutil.copyfile(TOP / "LICENSE", folder / "LICENSE")
    common = set()
    for package in sorted({package_of(path) for path in libraries}):
        text = pathlib.Path("/usr/share/doc", package, "copyright").read_text(encoding="utf-8", errors="replace")
        (folder / f"{package}.txt").write_text(text, encoding="utf-8")
        common |= set(re.findall(r"/usr/share/common-licenses/([\w.+-]*\w)", text))
    for name in sorted(common):
        text = pathlib.Path("/usr/share/common-licenses", name)
        if text.exists():
            shutil.copyfile(text, folder / f"common-{name}.txt")


# ---- the wheel ----


def metadata(version):
    description = (TOP / "docs" / "python.md").read_text(encoding="utf-8")
    return (
        "Metadata-Version: 2.1\n"
        f"Name: {PACKAGE.replace('_', '-')}\nVersion: {version}\n"
        "Summary: Segments medical images with trained Swin-UMamba and nnU-Net models\n"
        "License: Apache-2.0; the libraries in it have licences of their own (licenses/)\n"
        f"Requires-Python: {REQUIRES_PYTHON}\nRequires-Dist: numpy (>=1.21)\n"
        "Classifier: Operating System :: POSIX :: Linux\nClassifier: Typing :: Typed\n"
        f"Description-Content-Type: text/markdown\n\n{description}"
    )


def write_zip(wheel, root, info):
    """Writes the files of a folder and, last, RECORD with their hashes. The same files give the same bytes."""
    date = time.gmtime(max(int(os.environ.get("SOURCE_DATE_EPOCH", 315532800)), 315532800))[:6]  # a zip begins at 1980
    record = io.StringIO()
    rows = csv.writer(record, lineterminator="\n")

    def add(name, data, mode=0o644):
        entry = zipfile.ZipInfo(name, date)
        entry.external_attr = (0o100000 | mode) << 16
        entry.compress_type = zipfile.ZIP_DEFLATED
        archive.writestr(entry, data)

    with zipfile.ZipFile(wheel, "w") as archive:
        for path in sorted(p for p in root.rglob("*") if p.is_file()):
            name, data = path.relative_to(root).as_posix(), path.read_bytes()
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            rows.writerow([name, f"sha256={digest}", len(data)])
            add(name, data, 0o755 if ".so" in path.suffixes else 0o644)
        rows.writerow([f"{info}/RECORD", "", ""])
        add(f"{info}/RECORD", record.getvalue())


def build(library, version, folder):
    with tempfile.TemporaryDirectory() as scratch:
        root, info = pathlib.Path(scratch), f"{PACKAGE}-{version}.dist-info"
        shutil.copytree(HERE / PACKAGE, root / PACKAGE, ignore=shutil.ignore_patterns("__pycache__", "libs"))
        for path in (root / PACKAGE / "libs", root / info / "licenses"):
            path.mkdir(parents=True)
        needed = needed_libraries(library)
        copies = copy_libraries(library, needed, root / PACKAGE / "libs")
        add_licences(needed.values(), root / info / "licenses")
        tag = f"py3-none-{platform_tag(copies.values())}"
        (root / info / "METADATA").write_text(metadata(version), encoding="utf-8")
        (root / info / "WHEEL").write_text(
            f"Wheel-Version: 1.0\nGenerator: {PACKAGE} ({version})\nRoot-Is-Purelib: false\nTag: {tag}\n", encoding="utf-8"
        )
        folder.mkdir(parents=True, exist_ok=True)
        wheel = folder / f"{PACKAGE}-{version}-{tag}.whl"
        unfinished = wheel.with_suffix(".unfinished")
        write_zip(unfinished, root, info)
        unfinished.replace(wheel)
    print(wheel)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    expect_tools()
    build(pathlib.Path(sys.argv[1]), sys.argv[2], pathlib.Path(sys.argv[3]))
