"""What the library is compared with: one module a peer, each the peer's own fastest honest use.

Same for all: layer sizes, initial weights, Adam and its constants, dtype, batch size, data
resident in memory in the form that the peer likes best, a new shuffle every epoch, one thread.
Not counted: the import, the conversion of the data, compilation, and the first epochs. A module
of this package has

    NAME        what the table calls it
    VARIANTS    ways to use it that are worth trying; the fastest on the shape at hand is reported
    version()   of the peer
    Trainer(shape, dtype, parameters, X, y, variant)
        .train(epochs)      whole epochs; returns when their last update is done
        .parameters()       [(weights [in][out], bias [out])] of each layer
        .first_moments()    the same of Adam's first moment

and raises ImportError, when it is itself imported, where the peer is not installed.
"""

ADAM = {"learning_rate": 1e-3, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-8}

# The name on the command line: the module. The first is this library; the others are compared
# with it.
PEERS = {
    "backprop": "peers.ours",
    "scikit-learn": "peers.scikit_learn",
    "pytorch": "peers.pytorch",
    "jax": "peers.jax_epoch",
}

# The same for prediction; each module has, beside NAME and version(),
#     predictors(shape, parameters)   {variant: a function from rows to outputs, numpy both}
PREDICTORS = {
    "backprop": "peers.ours",
    "ONNX Runtime": "peers.onnx_runtime",
    "PyTorch": "peers.pytorch",
    "numpy": "peers.plain_numpy",
}

ONE_THREAD = {
    name: "1"
    for name in (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "VECLIB_MAXIMUM_THREADS",
        "NUMEXPR_NUM_THREADS",
    )
}
# Read by the libraries when they are loaded, so set before that. XLA else starts a pool of its own.
ENVIRONMENT = {
    **ONE_THREAD,
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "JAX_PLATFORMS": "cpu",
}
