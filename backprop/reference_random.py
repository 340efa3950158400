"""The random numbers of the reference: shuffles, what is dropped, noise, initial weights.

Each number belongs to a seed, a purpose and a place; no state is carried from one to the next. The
core draws the same bits.
"""

import numpy as np

# ---- Random numbers: SplitMix64 (Steele, Lea and Flood, 2014) -----------------------------------

MASK = 2**64 - 1
GOLDEN = 0x9E3779B97F4A7C15  # 2^64 divided by the golden ratio, made odd
WEIGHTS = 1  # purpose of a stream: initial weights, one stream for each layer
SHUFFLE = 2  # purpose of a stream: order of the samples, one stream for each epoch
DROPOUT = 3  # purpose of a stream: what is dropped, one stream for each layer and step
INPUT_DROPOUT = 4
NOISE = 5  # purpose of a stream: gaussian noise, one stream for each layer and step
SHARDS = 6  # purpose of a stream: order of each shard's samples, one stream for each epoch


def mix64(z):
    """Scramble the 64 bits of a Python int, or of each element of a uint64 array."""
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def stream(seed, purpose, index):
    """State of one of the independent streams of random numbers that belong to a seed."""
    state = mix64(seed & MASK)
    state = mix64((state + purpose) & MASK)
    return mix64((state + index) & MASK)


def random_words(state, count):
    """First `count` outputs of a stream, uint64."""
    return mix64(np.uint64(state) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(GOLDEN))


def uniform(state, count):
    """First `count` outputs of a stream as float64 in [0, 1), multiples of 2^-53."""
    return (random_words(state, count) >> np.uint64(11)) * 2.0**-53


def shuffle(state, count):
    """A permutation of 0 .. count - 1, int64 (Fisher and Yates)."""
    order = list(range(count))
    words = random_words(state, max(count - 1, 0)).tolist()
    for i, word in zip(range(count - 1, 0, -1), words, strict=True):
        j = (word * (i + 1)) >> 64  # uniform on 0 .. i: the high half of a 128-bit product
        order[i], order[j] = order[j], order[i]
    return np.array(order, dtype=np.int64)


def dealt(orders, batch_size):
    """[(the rows of a batch, shard by shard)], from the order in which each shard has its rows.

    Position j of the epoch belongs to shard j mod S; a batch is so many positions in a row.
    """
    n, count = sum(map(len, orders)), len(orders)
    found = []
    for start in range(0, n, batch_size):
        batch = range(start, min(n, start + batch_size))
        own = [[j // count for j in batch if j % count == i] for i in range(count)]
        found.append([order[places] for order, places in zip(orders, own, strict=True)])
    return found


def shard_orders(seed, epoch, n, count, shuffled):
    """Of each shard its rows, a piece of the n, in the order of this epoch."""
    orders, first = [], 0
    for shard in range(count):
        size = len(range(shard, n, count))
        order = np.arange(size)
        if shuffled:
            order = shuffle(stream(stream(seed, SHARDS, epoch), shard, 0), size)
        orders.append(first + order)
        first += size
    return orders


def mix32(x):
    """Scramble each uint32 of an array (Wellons 2018)."""
    x = (x ^ (x >> np.uint32(16))) * np.uint32(0x7FEB352D)
    x = (x ^ (x >> np.uint32(15))) * np.uint32(0x846CA68B)
    return x ^ (x >> np.uint32(16))


def dropout_factors(state, rate, n, units, dtype):
    """[n][units]: 0 with probability `rate`, else 1 / (1 - rate); each drawn by its own place."""
    if rate == 0:
        return np.ones((n, units), dtype)
    keys = random_words(state, units)
    low, high = keys.astype(np.uint32), (keys >> np.uint64(32)).astype(np.uint32)
    words = mix32(mix32(np.arange(n, dtype=np.uint32)[:, None] ^ low) + high)
    return np.where(words < np.uint32(int(rate * 2**32)), 0, 1 / (1 - rate)).astype(dtype)


def normal_noise(state, n, units):
    """[n][units] numbers of the standard normal distribution, float64 (Box and Muller 1958)."""
    keys = random_words(state, units)
    low, high = keys.astype(np.uint32), (keys >> np.uint64(32)).astype(np.uint32)
    places = np.arange(n, dtype=np.uint32)[:, None]
    words = mix32(mix32(places ^ low) + high), mix32(mix32(places ^ high) + low)
    one, other = (((word >> np.uint32(9)) + 0.5) * 2.0**-23 for word in words)
    return np.sqrt(-2 * np.log(one)) * np.sin(2 * np.pi * other)


# ---- Initial weights ----------------------------------------------------------------------------


def initial_weights(seed, layer, n_in, n_out, scheme, dtype):
    """[n_in][n_out], as the layer's scheme has them, or an array of one's own."""
    drawn = scheme.drawn(n_in, n_out)
    if isinstance(drawn, np.ndarray):
        return drawn.astype(dtype)
    distribution, scale = drawn
    state = stream(seed, WEIGHTS, layer)
    return (DISTRIBUTIONS[distribution](state, n_in, n_out) * scale).astype(dtype)


def uniforms(state, n_in, n_out):
    """Uniform on ±1."""
    return (2 * uniform(state, n_in * n_out) - 1).reshape(n_in, n_out)


def normals(state, n_in, n_out):
    """Of mean 0 and variance 1: a radius and a direction make two of them (Box and Muller 1958)."""
    count = n_in * n_out
    words = random_words(state, count + count % 2) >> np.uint64(12)
    u = (words + 0.5) * 2.0**-52  # inside (0, 1)
    radius, turn = np.sqrt(-2 * log_of(u[0::2])), 4 * u[1::2]
    quarter = turn.astype(int)
    sine, cosine = sine_and_cosine((turn - quarter) * 1.57079632679489661923)
    x = radius * np.where(quarter % 2, -sine, cosine)
    y = radius * np.where(quarter % 2, cosine, sine)
    pairs = np.where(quarter >= 2, [-x, -y], [x, y])
    return pairs.T.reshape(-1)[:count].reshape(n_in, n_out)


def log_of(x):
    """log x by a series, since numpy's last bit is that of the machine's C library."""
    m, e = np.frexp(x)
    low = m < 0.70710678118654752440
    m, e = np.where(low, 2 * m, m), np.where(low, e - 1, e)
    s = (m - 1) / (m + 1)
    total = np.full_like(s, 1 / 23)
    for i in range(11, 0, -1):
        total = total * (s * s) + 1 / (2 * i - 1)
    return e * 0.69314718055994530942 + 2 * s * total


def sine_and_cosine(x):
    """Of x in [0, π/2], by their series."""
    sine, cosine = np.ones_like(x), np.ones_like(x)
    for i in range(12, 0, -1):
        sine = sine * -(x * x) / (2 * i * (2 * i + 1)) + 1
        cosine = cosine * -(x * x) / ((2 * i - 1) * 2 * i) + 1
    return sine * x, cosine


def orthogonal(state, n_in, n_out):
    """Orthonormal columns, or rows where these are fewer: Gram-Schmidt, twice, of normal ones."""
    rows = normals(state, min(n_in, n_out), max(n_in, n_out))
    for i, row in enumerate(rows):
        for other in [*rows[:i], *rows[:i]]:
            row -= dot(row, other) * other
        row /= np.sqrt(dot(row, row))
    return rows if n_in < n_out else rows.T


def dot(a, b):
    """Eight sums, element i in sum i mod 8, then a tree."""
    s = np.zeros(8)
    products = np.append(a * b, np.zeros(-len(a) % 8))
    for eight in products.reshape(-1, 8):
        s += eight
    return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]))


def constant(state, n_in, n_out):
    """Ones, which the scale multiplies."""
    return np.ones((n_in, n_out))


DISTRIBUTIONS = {
    "uniform": uniforms,
    "normal": normals,
    "orthogonal": orthogonal,
    "constant": constant,
}
