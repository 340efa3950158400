"""The door to csrc/.

The only module linked with it. Chooses the instruction set; wraps what C offers for the modules beside it.
"""
import os
import warnings

from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport getenv
from libc.string cimport memset


cdef extern from "backprop.h" nogil:
    const char *const *bp_instruction_sets()
    int bp_instruction_set_runs(const char *name)
    const bp_kernels *bp_find_kernels(const char *name, size_t itemsize)
    uint64_t bp_stream(uint64_t seed, uint64_t purpose, uint64_t index)
    void bp_shuffle(uint64_t state, int64_t *indices, int64_t count, int64_t first, int64_t last)
    void bp_normal(uint64_t state, double *values, int64_t count)
    void bp_orthonormalize(double *rows, int64_t row, int64_t columns)
    int bp_team_run(bp_task task, void *argument, int n_threads)
    int bp_team_size(const bp_team *team)
    void bp_barrier(bp_team *team)
    double bp_seconds()


def instruction_sets():
    """{name: whether this processor runs it}, best first, of the instruction sets in this build."""
    cdef const char *const *names = bp_instruction_sets()
    found = {}
    while names[0] != NULL:
        found[names[0].decode()] = bool(bp_instruction_set_runs(names[0]))
        names += 1
    return found


def best_instruction_set():
    """The best that runs here, or what the environment variable BACKPROP_ISA asks for.

    ValueError where that does not run.
    """
    cdef const char *variable = getenv("BACKPROP_ISA")
    if variable == NULL or variable[0] == 0:
        return RUNNING[0]
    asked = os.fsdecode(variable)
    if asked not in RUNNING:
        raise ValueError(f"BACKPROP_ISA={asked}: this processor and build run {', '.join(RUNNING)}")
    return asked


RUNNING = [name for name, runs_here in instruction_sets().items() if runs_here]


cdef const bp_kernels *find_kernels(str instruction_set, size_t itemsize) except NULL:
    cdef const bp_kernels *found = bp_find_kernels(instruction_set.encode(), itemsize)
    if found == NULL:
        raise ValueError(f"instruction set {instruction_set!r} does not run here; there are: {instruction_sets()}")
    return found


# The catalogue: what it has under a name is a row of the kernels' tables ---------------------------------------------

cdef int find_row(const bp_row *rows, str name) except -1:
    """The code of the row of that name."""
    cdef int code = 0
    while rows[code].name != NULL:
        if rows[code].name == name.encode():
            return code
        code += 1
    raise ValueError(f"{name!r} has no row in this build: expected one of {', '.join(names_of(rows))}")


cdef list names_of(const bp_row *rows):
    cdef int code = 0
    found = []
    while rows[code].name != NULL:
        found.append(rows[code].name.decode())
        code += 1
    return found


def rows():
    """{"activations", "losses", "optimizers": the names of the rows that this build has}."""
    cdef const bp_kernels *kernels = find_kernels("baseline", sizeof(float))
    return {"activations": names_of(kernels.activations), "losses": names_of(kernels.losses),
            "optimizers": names_of(kernels.optimizers)}


cdef bp_activation find_activation(const bp_kernels *kernels, str name, values=()) except *:
    """An activation by its name, with the values of its parameters."""
    cdef bp_activation found
    memset(&found, 0, sizeof(found))
    found.code = find_row(kernels.activations, name)
    fill(found.values, BP_VALUES, values)
    return found


cdef bp_loss find_loss(const bp_kernels *kernels, str name, values=()) except *:
    """A loss, likewise."""
    cdef bp_loss found
    memset(&found, 0, sizeof(found))
    found.code = find_row(kernels.losses, name)
    fill(found.values, BP_LOSS_VALUES, values)
    found.n_values = len(values)
    return found


cdef bp_optimizer find_optimizer(const bp_kernels *kernels, str name, double learning_rate, decays,
                                 settings) except *:
    """An optimizer, with its hyper-parameters; `decays`: l2, l1 and weight_decay."""
    cdef bp_optimizer found
    memset(&found, 0, sizeof(found))
    found.code = find_row(kernels.optimizers, name)
    found.learning_rate = learning_rate
    found.l2, found.l1, found.weight_decay = decays
    fill(found.settings, BP_SETTINGS, settings)
    return found


cdef fill(double *places, int count, values):
    if len(values) > count:
        raise ValueError(f"{len(values)} values: the core has room for {count}")
    for i, value in enumerate(values):
        places[i] = value


cdef int run_team(bp_task task, void *argument, int n_threads) except -1 nogil:
    """Run the task on this thread and n_threads - 1 others; returns when all are done.

    Where the system starts no more, they are fewer: the same bits, later, and a warning.
    """
    cdef int found = bp_team_run(task, argument, n_threads)
    if found < n_threads:
        with gil:
            warnings.warn(f"the system started {found} of {n_threads} threads", RuntimeWarning, stacklevel=3)
    return 0


cdef int team_size(const bp_team *team) noexcept nogil:
    return bp_team_size(team)


cdef void barrier(bp_team *team) noexcept nogil:
    bp_barrier(team)


cdef double seconds() noexcept nogil:
    return bp_seconds()


cdef uint64_t stream(uint64_t seed, uint64_t purpose, uint64_t index) noexcept nogil:
    return bp_stream(seed, purpose, index)


cdef void shuffle(uint64_t state, int64_t *indices, int64_t count, int64_t first, int64_t last) noexcept nogil:
    bp_shuffle(state, indices, count, first, last)


cdef void normal(uint64_t state, double *values, int64_t count) noexcept nogil:
    bp_normal(state, values, count)


cdef void orthonormalize(double *rows, int64_t row, int64_t columns) noexcept nogil:
    bp_orthonormalize(rows, row, columns)
