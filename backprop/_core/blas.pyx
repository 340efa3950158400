"""The only door to BLAS: the OpenBLAS that comes with the package, loaded on first use.

Loaded on first use, because most runs never need its 25 MB; by path and for this module only, because numpy
and scipy bring copies of their own. Its own detection takes AVX2 kernels on processors that it does not know,
so it is told which to take; and it is kept to one thread, because the core shares out the work itself.
"""
import os
import sys
from threading import Lock

from libc.stdint cimport int64_t

from backprop._core.kernels import best_instruction_set

cdef extern from "dlfcn.h" nogil:
    void *dlopen(const char *path, int mode)
    void *dlsym(void *library, const char *name)
    char *dlerror()
    int RTLD_NOW
    int RTLD_LOCAL

cdef enum:
    ROW_MAJOR = 101
    NO_TRANSPOSE = 111
    TRANSPOSE = 112

ctypedef void (*sgemm_function)(int order, int trans_a, int trans_b, int m, int n, int k, float alpha, const void *a,
                                int lda, const void *b, int ldb, float beta, void *c, int ldc) noexcept nogil
ctypedef void (*dgemm_function)(int order, int trans_a, int trans_b, int m, int n, int k, double alpha, const void *a,
                                int lda, const void *b, int ldb, double beta, void *c, int ldc) noexcept nogil
ctypedef char *(*text_function)() noexcept nogil
ctypedef void (*set_threads_function)(int n_threads) noexcept nogil

cdef sgemm_function sgemm = NULL
cdef dgemm_function dgemm = NULL
cdef text_function corename = NULL
cdef text_function configuration = NULL

LIBRARY_NAME = "libscipy_openblas.dylib" if sys.platform == "darwin" else "libscipy_openblas.so"
LIBRARY = os.path.join(os.path.dirname(__file__), "openblas", LIBRARY_NAME)
CORE_TYPES = {"avx512": "SkylakeX", "avx2": "Haswell"}


def _new_lock():
    """A forked child has none of the threads, one of which may hold the lock."""
    global _loading
    _loading = Lock()


_new_lock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_new_lock)


def load():
    """Load the library once; raises OSError with the loader's reason."""
    with _loading:  # the environment is changed meanwhile
        if sgemm == NULL:
            _load()


def _load():
    global sgemm, dgemm, corename, configuration
    cdef void *library
    asked = {"OPENBLAS_NUM_THREADS": "1"}
    core_type = CORE_TYPES.get(best_instruction_set())
    if core_type is not None:
        asked["OPENBLAS_CORETYPE"] = os.environ.get("OPENBLAS_CORETYPE", core_type)
    before = {name: os.environ.get(name) for name in asked}
    path = os.fsencode(LIBRARY)
    os.environ.update(asked)
    try:
        library = dlopen(path, RTLD_NOW | RTLD_LOCAL)
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
    if library == NULL:
        raise OSError(f"the packaged OpenBLAS cannot be loaded: {os.fsdecode(dlerror())}")
    (<set_threads_function>symbol(library, b"scipy_openblas_set_num_threads"))(1)
    corename = <text_function>symbol(library, b"scipy_openblas_get_corename")
    configuration = <text_function>symbol(library, b"scipy_openblas_get_config")
    dgemm = <dgemm_function>symbol(library, b"scipy_cblas_dgemm")
    sgemm = <sgemm_function>symbol(library, b"scipy_cblas_sgemm")


cdef void *symbol(void *library, bytes name) except NULL:
    cdef void *found = dlsym(library, name)
    if found == NULL:
        raise OSError(f"the packaged OpenBLAS has no {name.decode()}")
    return found


def describe():
    """(version and build options, name of the kernels that run) of the loaded library."""
    load()
    return configuration().decode(), corename().decode()


cdef void gemm(int64_t itemsize, bint a_is_k_major, bint b_is_n_major, int64_t m, int64_t n, int64_t k, const void *a,
               int64_t lda, const void *b, int64_t ldb, bint resume, void *c, int64_t ldc) noexcept nogil:
    """C[m][n] = A B, plus C where it is to `resume`: A [m][lda] or [k][lda], B [k][ldb] or [n][ldb].

    Sizes fit an int: the plan has seen to it.
    """
    cdef int trans_a = TRANSPOSE if a_is_k_major else NO_TRANSPOSE
    cdef int trans_b = TRANSPOSE if b_is_n_major else NO_TRANSPOSE
    if itemsize == sizeof(float):
        sgemm(ROW_MAJOR, trans_a, trans_b, <int>m, <int>n, <int>k, 1, a, <int>lda, b, <int>ldb, resume, c, <int>ldc)
    else:
        dgemm(ROW_MAJOR, trans_a, trans_b, <int>m, <int>n, <int>k, 1, a, <int>lda, b, <int>ldb, resume, c, <int>ldc)
