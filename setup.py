"""Builds the C kernels once for each instruction set, and the Cython modules on top.

OpenBLAS is copied into the package.

The C files are compiled here rather than by setuptools' own lists of sources, because each needs
flags of its own; and the objects are linked into one module (`kernels`) only, because they hold the
process's one pool of threads.

Switches, as environment variables of the build: BACKPROP_CHECKED=1 turns Cython's bounds checks
back on; BACKPROP_WERROR=1 makes warnings of the C code errors.
"""

import os
import platform
import shutil
from pathlib import Path

import numpy
import scipy_openblas32
from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

HERE = Path(__file__).resolve().parent
OPERATIONS = ["dense", "compact", "beside", "normalise", "learned", "noise", "dropout", "residual"]
MODULES = [
    *("kernels", "blas", "shards", *OPERATIONS, "muon", "initial", "plan", "plans", "describe"),
    *("own_loss", "steps", "ranks", "errors", "shared", "updates", "runs", "inspection", "arrays"),
    *("network", "order", "probe"),
]
C_FLAGS = ["-std=c11", "-O3", "-ffp-contract=off", "-fPIC", "-Wall", "-Wextra", "-fno-math-errno"]
IS_X86_64 = platform.machine().lower() in ("x86_64", "amd64")
INSTRUCTION_SET_FLAGS = {"baseline": []}
if IS_X86_64:
    INSTRUCTION_SET_FLAGS["avx2"] = ["-mavx2", "-mfma"]
    INSTRUCTION_SET_FLAGS["avx512"] = [
        *("-mavx512f", "-mavx512vl", "-mavx512dq", "-mfma", "-mprefer-vector-width=512"),
    ]
CHECKED = os.environ.get("BACKPROP_CHECKED") == "1"
WERROR = ["-Werror"] if os.environ.get("BACKPROP_WERROR") == "1" else []
DEBUG = [] if CHECKED else ["-g0"]  # Python's own flags ask for debug information: 4 MB of it


def c_sources():
    """(source, flags) of every C file.

    The flags of a kernel file are those of its instruction set.
    """
    for source in sorted(HERE.glob("csrc/*.c")):
        yield source, []
    for name, flags in INSTRUCTION_SET_FLAGS.items():
        for source in sorted(HERE.glob(f"csrc/isa/{name}_*.c")):
            yield source, flags


class BuildCore(build_ext):
    """build_ext, preceded by the C objects and followed by OpenBLAS."""

    def run(self):
        super().run()
        self.copy_openblas()

    def build_extensions(self):
        objects = self.compile_c()
        for extension in self.extensions:
            if extension.name.endswith(".kernels"):
                extension.extra_objects = objects
                extension.depends += objects  # so that it is linked again when one is newer
        super().build_extensions()

    def compile_c(self):
        """One object a source, recompiled when any C file is newer."""
        newest = max(path.stat().st_mtime for path in HERE.glob("csrc/**/*.[ch]"))
        objects = []
        for source, flags in c_sources():
            relative = os.path.relpath(source, HERE)
            made = Path(self.compiler.object_filenames([relative], output_dir=self.build_temp)[0])
            if self.force or not made.exists() or made.stat().st_mtime < newest:
                self.compiler.compile(
                    [relative],
                    output_dir=self.build_temp,
                    include_dirs=["csrc"],
                    extra_postargs=C_FLAGS + WERROR + DEBUG + flags,
                )
            objects.append(str(made))
        return objects

    def copy_openblas(self):
        """The library and its licence, beside the module that loads it."""
        package = HERE if self.inplace or self.editable_mode else Path(self.build_lib)
        target = package / "backprop" / "_core" / "openblas"
        target.mkdir(parents=True, exist_ok=True)
        library = Path(scipy_openblas32.get_lib_dir()) / scipy_openblas32.get_library(fullname=True)
        shutil.copy2(library, target / library.name)
        for licence in openblas_licences():
            shutil.copy2(licence, target / licence.name)


def openblas_licences():
    """The licences in the OpenBLAS wheel: its own and that of the compiler's runtime inside it."""
    site = Path(scipy_openblas32.__file__).resolve().parent.parent
    found = sorted(site.glob("scipy_openblas32-*.dist-info/**/LICENSE*"))
    if not found:
        raise FileNotFoundError("scipy-openblas32 is installed without its licence file")
    return found


def extension(name):
    return Extension(
        f"backprop._core.{name}",
        [f"backprop/_core/{name}.pyx"],
        include_dirs=["csrc", numpy.get_include()],
        define_macros=[("NPY_NO_DEPRECATED_API", "NPY_1_7_API_VERSION")],
        extra_compile_args=["-std=c11", "-O2", "-ffp-contract=off", *DEBUG],
        libraries=["pthread", "m", "dl"] if os.name == "posix" else [],
        depends=["csrc/backprop.h"],
    )


setup(
    ext_modules=cythonize(
        [extension(name) for name in MODULES],
        build_dir="build/cython-checked" if CHECKED else "build/cython",
        compiler_directives={
            "language_level": 3,
            "boundscheck": CHECKED,
            "wraparound": CHECKED,
            "initializedcheck": CHECKED,
            "cdivision": not CHECKED,
            "freethreading_compatible": True,  # what threads share: see shared.pyx
        },
    ),
    cmdclass={"build_ext": BuildCore},
)
