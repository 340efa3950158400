"""Every complaint about an input, in one place.

The core is handed arrays that have passed here and checks nothing itself. Each message names the
argument, what was given and what was expected.
"""

import math
import numbers
import os
import warnings
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import numpy as np

MAX_SIZE = 2**31 - 1 - 64  # BLAS counts in 32 bits; 64 leaves room to round up
MAX_COUNT = 2**62  # of steps and epochs; the core counts on in 64 bits
MAX_THREADS = 1024
MAX_SEED = 2**64 - 1
BATCH_SIZE = 128  # where none is given

# numpy's one-letter codes of the element types that the core's gather converts from
GATHERED_TYPES = "?bBhHiIlLqQfd"
INTEGER_TYPES = "bBhHiIlLqQ"
DTYPES = {name: np.dtype(name) for name in ("float32", "float64")}  # of a network
UNSIGNED = {size: np.dtype(f"u{size}") for size in (1, 2, 4, 8)}


def check_name(argument, value, names, aliases=None):
    """One of `names`, or a ValueError that says which is nearest."""
    if isinstance(value, str) and value in names:
        return value
    expected = ", ".join(map(repr, names))
    raise ValueError(
        f"{argument}={value!r}: expected one of {expected}{name_hint(value, names, aliases)}"
    )


def name_hint(value, names, aliases=None):
    """The words that follow a complaint: which name is nearest, or none.

    `aliases`: {what others call it: its name here}.
    """
    import difflib  # here, because only an error needs it: a tenth of what `import` takes

    given, others = str(value).lower(), dict(aliases or {})
    near = [given] if given in others else []
    near = near or difflib.get_close_matches(given, [*names, *others], n=1, cutoff=0.4)
    return f"; did you mean {others.get(near[0], near[0])!r}?" if near else ""


def check_names(argument, names, count, letter):
    """As many as `count`, as a list of str; by default the letter and a number from 1."""
    if names is None:
        return [f"{letter}{i + 1}" for i in range(count)]
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise TypeError(f"{argument}={names!r}: expected a sequence of {count} names")
    names = [str(name) for name in names]
    if len(names) != count:
        raise ValueError(f"{argument} has {len(names)} names, expected {count}")
    return names


def check_integer(argument, value, minimum, maximum=None):
    """An integer (not a bool, not 3.7) in [minimum, maximum], as a Python int."""
    is_integer = type(value) is int or (  # which most are, and the others take longer to ask
        isinstance(value, numbers.Integral) and not isinstance(value, bool | np.bool_)
    )
    if not is_integer:
        raise TypeError(f"{argument}={value!r}: expected an integer, got {type(value).__name__}")
    if value < minimum or (maximum is not None and value > maximum):
        limit = f"at least {minimum}" if maximum is None else f"from {minimum} to {maximum}"
        raise ValueError(f"{argument}={value}: expected an integer, {limit}")
    return int(value)


def check_batch_size(batch_size, n_rows, level=3):
    """At most as many as there are rows; one that was given is warned of, where it is more.

    `level`: of the stack, counted from here, at which the user called.
    """
    if batch_size is None:
        return min(BATCH_SIZE, n_rows)
    if check_integer("batch_size", batch_size, 1) > n_rows:
        warnings.warn(
            f"batch_size={batch_size} is more than the {n_rows} rows: every epoch is one step",
            stacklevel=level,
        )
    return min(int(batch_size), n_rows, MAX_SIZE)


def check_real(argument, value, minimum, *, above=False, below=None, most=None):
    """A finite number >= minimum (> where `above`), and < below or <= most where one is given."""
    if type(value) is float and most is None:  # as most are
        highest = math.inf if below is None else below
        if minimum <= value < highest and not (above and value == minimum):
            return value
    if not isinstance(value, numbers.Real) or isinstance(value, bool | np.bool_):
        raise TypeError(f"{argument}={value!r}: expected a number, got {type(value).__name__}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    low_enough = (below is None or number < below) and (most is None or number <= most)
    high_enough = number > minimum if above else number >= minimum
    if not (math.isfinite(number) and low_enough and high_enough):
        limit = f"{'above' if above else 'at least'} {minimum}"
        limit += "" if below is None else f" and below {below}"
        limit += "" if most is None else f" and at most {most}"
        raise ValueError(f"{argument}={value!r}: expected a finite number, {limit}")
    return number


def check_flag(argument, value):
    """True or False."""
    if value is True or value is False:
        return value
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{argument}={value!r}: expected True or False")
    return bool(value)


def check_path(path):
    """A str or os.PathLike, as a Path."""
    try:
        return Path(path)
    except TypeError:
        given = type(path).__name__
        raise TypeError(f"path={path!r}: expected a str or os.PathLike, got {given}") from None


def check_dtype(dtype):
    """np.dtype of float32 or float64."""
    if type(dtype) is str and dtype in DTYPES:
        return DTYPES[dtype]
    try:
        found = None if dtype is None else np.dtype(dtype)
    except TypeError:
        found = None
    if found is None or found not in DTYPES.values():
        raise ValueError(f"dtype={dtype!r}: expected 'float32' or 'float64'")
    return found


def check_array(argument, values, instead=None):
    """An ndarray of a type that the core converts from, without a copy where it is one already.

    float16 and the other byte order are converted whole.

    `instead`: what to do with text, where not `.astype`.
    """
    if type(values) is np.ndarray and values.dtype.char in GATHERED_TYPES and values.dtype.isnative:
        return values  # as most are
    _check_no_mask(argument, values)
    if hasattr(values, "toarray") and hasattr(values, "nnz"):
        raise TypeError(
            f"{argument} is a sparse matrix: expected a dense array ({argument}.toarray())"
        )
    if values is None:
        raise TypeError(f"{argument} is None: expected an array")
    try:
        array = np.asarray(values)
    except MemoryError:
        raise
    except Exception as error:  # __array__ is the object's own, and may raise anything
        raise ValueError(f"{argument} cannot be made an array of numbers: {error}") from error
    if array.dtype.char == "e":  # float16, of which the core knows nothing
        array = array.astype("float32")
    elif array.dtype.char in GATHERED_TYPES and not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if array.dtype.char not in GATHERED_TYPES:
        advice = f"float32, float64, bool or integers ({argument}.astype('float32'))"
        advice = instead if instead is not None and _is_text(array) else advice
        raise TypeError(f"{argument} has dtype {array.dtype}{_culprit(values)}: expected {advice}")
    return array


def _is_text(array):
    return array.dtype.kind in "UST" or any(isinstance(value, str) for value in array.flat)


def _check_no_mask(argument, values):
    parts = values if isinstance(values, list | tuple) else ()
    types = {type(values), *map(type, parts)}
    if any(issubclass(kind, np.ma.MaskedArray) for kind in types):
        what = "has masked arrays" if parts else "is a masked array"
        raise TypeError(f"{argument} {what}, and the mask would be lost: fill it first")


def _culprit(values):
    """Of a data frame: the column that made numpy take objects, for a message."""
    columns = {name: values[name] for name in getattr(values, "columns", ())}
    types = {name: getattr(column, "dtype", "object") for name, column in columns.items()}
    odd = [n for n, c in columns.items() if np.asarray(c).dtype.char not in GATHERED_TYPES]
    odd += [n for n, dtype in types.items() if not isinstance(dtype, np.dtype)]
    return f" (column {odd[0]!r} is {types[odd[0]]})" if odd else ""


def check_matrix(argument, values, n_columns, what):
    """A 2-D array with n_columns columns."""
    array = check_array(argument, values)
    if array.ndim == 1:
        hint = f"({argument}.reshape(1, -1) is one sample, {argument}.reshape(-1, 1) one {what})"
        raise ValueError(f"{argument} has shape {array.shape}: expected (n, {n_columns}) {hint}")
    if array.ndim != 2:
        raise ValueError(
            f"{argument} has shape {array.shape}: expected 2 dimensions, (n, {n_columns}); "
            f"{argument}.reshape(len({argument}), -1) makes rows of it"
        )
    if array.shape[1] != n_columns:
        raise ValueError(f"{argument} has {array.shape[1]} columns, expected {n_columns} ({what}s)")
    return array


def check_inputs(argument, values, n_inputs, *, allow_empty=False):
    """X: (n, n_inputs), n at least 1 where something is learnt from it."""
    array = check_matrix(argument, values, n_inputs, "input")
    if len(array) == 0 and not allow_empty:
        raise ValueError(f"{argument} has no rows")
    return array


def check_targets(argument, values, loss, n_rows, n_outputs):
    """y as the core takes it: integer labels (n,), or targets (n, n_outputs)."""
    labels = f"np.unique({argument}, return_inverse=True)[1]"
    text = f"numbers; labels are to be integers from 0 to k - 1, as {labels} makes them"
    array = check_array(argument, values, text)
    if array.ndim == 0 or len(array) != n_rows:
        raise ValueError(
            f"{argument} has shape {array.shape}: expected {n_rows} rows, as many as X"
        )
    return loss.target.check(argument, array, n_outputs, loss.name)


def check_number_targets(argument, array, n_outputs, loss):
    """Finite numbers, (n,) for one output or (n, n_outputs)."""
    if array.ndim == 1:
        if n_outputs != 1:
            raise ValueError(
                f"{argument} has shape {array.shape}: expected ({len(array)}, {n_outputs}) "
                f"for {loss}"
            )
        array = array.reshape(-1, 1)
    if array.ndim != 2 or array.shape[1] != n_outputs:
        raise ValueError(
            f"{argument} has shape {array.shape}: expected ({len(array)}, {n_outputs})"
        )
    _check_finite(argument, array)
    return array


def check_one_target(argument, array, n_outputs, loss):
    """One number, (n,) or (n, 1), that all outputs are compared with; or a column for each."""
    if array.ndim == 1 or array.shape[1:] == (1,):
        array = check_number_targets(argument, array, 1, loss)
        return np.broadcast_to(array, (len(array), n_outputs))  # without a copy
    return check_number_targets(argument, array, n_outputs, loss)


def check_targets_of_means(argument, array, n_outputs, loss):
    """Finite numbers, half as many as outputs; returned twice, side by side, as the core has them.

    What comes with both halves the same was returned by this.
    """
    half = n_outputs // 2
    if array.ndim == 2 and array.shape[1] == n_outputs:
        array = check_number_targets(argument, array, n_outputs, loss)
        if np.array_equal(array[:, :half], array[:, half:]):
            return array
    array = check_number_targets(argument, array, half, loss)
    return np.concatenate([array, array], axis=1)


def check_counts(argument, array, n_outputs, loss):
    """Numbers of at least 0, which need not be whole: (n,) for one output or (n, n_outputs)."""
    array = check_number_targets(argument, array, n_outputs, loss)
    _check_lowest(argument, array, array < 0, loss, "at least 0")
    return array


def check_positive_targets(argument, array, n_outputs, loss):
    """Numbers above 0, (n,) for one output or (n, n_outputs)."""
    array = check_number_targets(argument, array, n_outputs, loss)
    _check_lowest(argument, array, array <= 0, loss, "above 0")
    return array


def _check_lowest(argument, array, too_low, loss, expected):
    if np.any(too_low):
        place = tuple(map(int, np.argwhere(too_low)[0]))
        raise ValueError(
            f"{_at(argument, place)} is {array[place]}: {loss} expects numbers {expected}"
        )


def check_yes_or_no_targets(argument, array, n_outputs, loss):
    """0, 1 or a probability between them, (n,) for one output or (n, n_outputs)."""
    array = check_number_targets(argument, array, n_outputs, loss)
    if array.size and (array.min() < 0 or array.max() > 1):
        raise ValueError(
            f"{argument} has values from {array.min()} to {array.max()}: "
            f"{loss} expects 0, 1 or a probability between them"
        )
    return array


def check_class_targets(argument, array, n_outputs, loss):
    """Labels in 0..k-1, or rows of probabilities."""
    if n_outputs < 2:
        raise ValueError(
            f"{loss} needs a last layer of 2 units or more: with one the probability "
            "is always 1 (sigmoid_cross_entropy is the loss for one yes-or-no output)"
        )
    if array.ndim == 1:
        if array.dtype.char not in INTEGER_TYPES + "?":
            raise TypeError(
                f"{argument} has dtype {array.dtype}: expected integer labels "
                f"({argument}.astype(int)) or one row of {n_outputs} probabilities a sample"
            )
        if not _are_labels(array, n_outputs):
            raise ValueError(
                f"{argument} has labels from {array.min()} to {array.max()}: "
                f"expected 0 to {n_outputs - 1}, one for each of the {n_outputs} outputs"
            )
        return array
    if array.ndim != 2 or array.shape[1] != n_outputs:
        raise ValueError(
            f"{argument} has shape {array.shape}: expected ({len(array)},) integer labels "
            f"or ({len(array)}, {n_outputs}) one-hot rows"
        )
    _check_finite(argument, array)
    if array.size:
        _check_distributions(argument, array, loss)
    return array


def _are_labels(array, n_outputs):
    """Whether all of these integers are classes: one look, since as unsigned no negative is one."""
    if not array.size:
        return True
    return np.maximum.reduce(array.view(UNSIGNED[array.itemsize])) < n_outputs


def _check_distributions(argument, array, loss):
    if array.min() < 0:
        place = np.unravel_index(array.argmin(), array.shape)
        raise ValueError(
            f"{_at(argument, place)} is {array[place]}: expected probabilities, at least 0, for "
            f"{loss}"
        )
    sums = array.sum(axis=1, dtype=np.float64)
    row = int(np.abs(sums - 1).argmax())
    if abs(sums[row] - 1) > 1e-3:
        raise ValueError(
            f"{argument}: expected rows of probabilities that sum to 1 for {loss}; "
            f"row {row} sums to {sums[row]:g}"
        )


def check_own_loss(name, returned, output):
    """What a loss of one's own returned for an output [n][k]: losses [n] and d_output [n][k].

    As arrays of the output's dtype. Losses that are not finite are left to the caller.
    """
    if not isinstance(returned, tuple | list) or len(returned) != 2:
        what = f"{len(returned)} values" if isinstance(returned, tuple | list) else "not a pair"
        raise TypeError(
            f"loss {name} returned {what} ({type(returned).__name__}): expected (losses, d_output)"
        )
    n = len(output)
    means = "each sample's own, neither their mean nor their sum"
    losses = _returned(f"{name}'s losses", returned[0], (n,), output.dtype, means)
    means = "the derivatives of each sample's own loss by its outputs"
    d_output = _returned(f"{name}'s d_output", returned[1], output.shape, output.dtype, means)
    if np.isfinite(losses).all() and (place := first_non_finite(d_output)) is not None:
        at = _at(f"{name}'s d_output", place)
        raise FloatingPointError(f"{at} is {d_output[place]}: expected finite numbers")
    return losses, d_output


def _returned(argument, values, shape, dtype, means):
    array = check_array(argument, values)
    if array.shape != shape:
        raise ValueError(f"{argument}: shape {array.shape}, expected {shape}, {means}")
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(array, dtype)


def check_sample_weight(values, n_rows, dtype, argument="sample_weight"):
    """None, or (n,) finite weights >= 0 that are not all 0."""
    if values is None:
        return None
    array = check_array(argument, values)
    if array.shape != (n_rows,):
        raise ValueError(
            f"{argument} has shape {array.shape}: expected ({n_rows},), one a row of X"
        )
    _check_finite(argument, array)
    if array.min() < 0 or array.max() == 0:
        raise ValueError(
            f"{argument} has values from {array.min()} to {array.max()}: "
            "expected weights of at least 0, not all of them 0"
        )
    check_weight_range(argument, array, dtype)
    return array


def check_weight_range(argument, array, dtype):
    """Of weights of at least 0, not all of them 0.

    Beyond the root of the dtype's largest number, or below its inverse, a batch's 1 / Σ w or a
    weight's product with a loss would overflow.
    """
    low, high = array.min(), array.max()
    low = array[array > 0].min() if low == 0 else low
    largest = 2.0 ** (np.finfo(dtype).maxexp // 2)
    for value in (float(low), float(high)):
        if not 1 / largest <= value <= largest:
            raise ValueError(
                f"{argument} has the value {value!r}: expected 0, or from {1 / largest:.2g} to "
                f"{largest:.2g} for {dtype}; only ratios of weights matter, so divide them by "
                "their mean"
            )


def check_input_transform(argument, values, n_inputs):
    """None, or (n_inputs,) finite float64 from a number or an array; never the user's own array."""
    if values is None:
        return None
    array = np.array(check_array(argument, values), dtype=np.float64)
    if array.shape not in ((), (n_inputs,)):
        raise ValueError(f"{argument} has shape {array.shape}: expected a number or ({n_inputs},)")
    _check_finite(argument, array)
    if argument == "input_scale" and not array.all():
        place = tuple(int(at) for at in np.argwhere(array == 0)[0])
        raise ValueError(
            f"{_at(argument, place)} is 0: expected another number, since all of that input would "
            "become 0; 1 leaves one that never varies as it is"
        )
    return np.ascontiguousarray(np.broadcast_to(array, (n_inputs,)))


def _check_finite(argument, array):
    place = first_non_finite(array)
    if place is not None:
        raise ValueError(f"{_at(argument, place)} is {array[place]}: expected finite numbers")


def _at(argument, place):
    """argument[i, j]; of a number, the argument's name alone."""
    return f"{argument}[{', '.join(map(str, place))}]" if place else argument


def first_non_finite(array, seen=None):
    """Index of the first nan or infinity, or None.

    `seen`, where given, maps rows to the numbers that are looked at instead. It is called with a
    piece of the array at a time, which may be larger than memory.
    """
    if seen is None and array.dtype.kind != "f":
        return None
    if array.ndim == 0:
        return None if np.isfinite(array) else ()
    rows = max(1, 2**20 // max(1, array[:1].size))
    for start in range(0, len(array), rows):
        piece = array[start : start + rows]
        with np.errstate(over="ignore", invalid="ignore"):
            good = np.isfinite(piece if seen is None else seen(piece))
        if not good.all():
            place = np.argwhere(~good)[0]
            return (int(place[0]) + start, *map(int, place[1:]))
    return None


def not_finite_error(dtype, transform, prefix="", **given):
    """The ValueError that names the first number which is not finite as the network sees it, in one
    of the arrays given by name; None where there is none.

    `transform`: offset and scale of X, both or neither.
    """
    for name, array in given.items():
        if array is None:
            continue
        seen, how = partial(np.ndarray.astype, dtype=dtype), "which"
        if name == "X" and transform[0] is not None:
            seen, how = _after(transform, array.dtype, dtype), "of which (x - offset) * scale"
        place = first_non_finite(array, seen)
        if place is not None:
            what = f"{prefix}{_at(name, place)} is {array[place]}"
            limit = f", {how} is not finite in {dtype}" if np.isfinite(array[place]) else ""
            return ValueError(f"{what}{limit}: expected finite numbers")
    return None


def check_finite_in(argument, values, dtype):
    """An array all of whose numbers are finite in this dtype; ValueError names the first other."""
    error = not_finite_error(dtype, (None, None), **{argument: values})
    if error is not None:
        raise error
    return values


def first_bad_parameter(layers, owner="layers"):
    """(its name, its value) of the first parameter, or gradient, that is not finite, or None."""
    for i, layer in enumerate(layers):
        for name, values in layer.parameters.items():
            place = first_non_finite(values)
            if place is not None:
                return _at(f"{owner}[{i}].{name}", place), values[place]
    return None


def bad_label(y, n_outputs):
    """The ValueError of labels that became none while they were trained on; None where they are."""
    if y.ndim != 1 or y.dtype.kind not in "iu":
        return None
    wrong = np.flatnonzero((y < 0) | (y >= n_outputs))
    if not len(wrong):
        return None
    return ValueError(
        f"y[{wrong[0]}] became {y[wrong[0]]} while it was trained on: expected 0 to {n_outputs - 1}"
    )


def diverged(what, learning_rate):
    """The FloatingPointError of a training whose inputs were finite; `learning_rate`: or None."""
    lower = "" if learning_rate is None else f"a lower learning_rate (it is {learning_rate:g}), or "
    return FloatingPointError(
        f"{what}, from finite inputs: training diverged. Try {lower}inputs and targets scaled to "
        "about 1"
    )


def _after(transform, given, dtype):
    """What rows of X become as a batch is gathered: narrow types are scaled in the network's dtype,
    wide ones in float64."""
    wide = dtype if given.char in "?bBhHf" else np.dtype("float64")
    with np.errstate(over="ignore"):
        offset, scale = (part.astype(wide) for part in transform)
    return lambda rows: ((rows.astype(wide) - offset) * scale).astype(dtype)


def check_samples(network, X, y, sample_weight, prefix=""):
    """The three, as the network takes them."""
    X = check_inputs(f"{prefix}X", X, network.n_inputs)
    y = check_targets(f"{prefix}y", y, network.loss_function, len(X), network.n_outputs)
    name = f"{prefix}sample_weight"
    return X, y, check_sample_weight(sample_weight, len(X), network.dtype, name)


def check_trained(layers):
    """ValueError where training would change none of them."""
    for layer in layers:
        if layer.trainable:
            return
    raise ValueError(
        "every layer is frozen, trainable=False: expected one that is trained, such as after "
        "net.layers[-1].trainable = True"
    )


def check_validation_data(data):
    """(X, y, sample_weight), the last None where it is not given."""
    if not isinstance(data, tuple | list) or len(data) not in (2, 3):
        given = f"{len(data)} items" if isinstance(data, tuple | list) else type(data).__name__
        raise ValueError(f"validation_data: expected (X, y) or (X, y, sample_weight), got {given}")
    return (*data, None)[:3]


def check_verbose(verbose):
    """0, 1 or 2."""
    if not isinstance(verbose, bool | np.bool_ | numbers.Integral) or verbose not in (0, 1, 2):
        kind = TypeError if not isinstance(verbose, numbers.Integral) else ValueError
        raise kind(f"verbose={verbose!r}: expected True or False, or 0, 1 or 2")
    return int(verbose)


def check_threads(n_threads):
    """None, for as many as help, or a number of threads."""
    return None if n_threads is None else check_integer("n_threads", n_threads, 1, MAX_THREADS)


def check_seed(seed):
    """An integer of 64 bits, drawn from the system where None is given."""
    if seed is None:
        return int.from_bytes(os.urandom(8), "little")
    return check_integer("seed", seed, 0, MAX_SEED)
