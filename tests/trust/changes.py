"""Random changes of bytes, and of what JSON holds."""

import random
from copy import deepcopy

WORDS = (
    *(b"nan", b"inf", b"-1", b"0", b"1e999", b"99999999999999999999", b"null", b"true", b"[]"),
    *(b"{}", b'"', b",", b";", b"\t", b"\n", b"\r", b"\x00", b"\xff", b"\xef\xbb\xbf", b"\x1b[2J"),
    *((2**n - 1).to_bytes(8, "little") for n in (7, 8, 15, 16, 31, 32, 62, 63, 64)),
)
VALUES = (
    *(None, True, False, 0, 1, -1, 2**31, 2**63, 2**64, 10**400, 0.5, -0.0, 1e308, float("nan")),
    *(float("inf"), "", "a", "\x00", "\ud800", "é" * 300, [], [[]], [0], {}, {"name": "sgd"}),
)


class Changes:
    """They follow from a seed."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def one_of(self, values):
        return self.random.choice(list(values))

    def of_bytes(self, data, other=b""):
        """One to four changes; `other`: what pieces are taken from."""
        data = bytearray(data)
        for _ in range(self.random.choice((1, 1, 1, 2, 4))):
            self.random.choice(
                (self._flip, self._set, self._leave_out, self._repeat, self._insert, self._cut)
            )(data, other)
        return bytes(data)

    def _span(self, data):
        start = self.random.randrange(len(data) + 1)
        return start, min(len(data), start + self.random.choice((1, 2, 8, 40, 300)))

    def _flip(self, data, other):
        if data:
            data[self.random.randrange(len(data))] ^= 1 << self.random.randrange(8)

    def _set(self, data, other):
        start, stop = self._span(data)
        data[start:stop] = self.random.randbytes(stop - start)

    def _leave_out(self, data, other):
        start, stop = self._span(data)
        del data[start:stop]

    def _repeat(self, data, other):
        start, stop = self._span(data)
        data[start:start] = data[start:stop] * self.random.choice((1, 2, 50))

    def _insert(self, data, other):
        start, _ = self._span(data)
        piece = self.random.choice(WORDS)
        if other and self.random.random() < 0.5:
            begin = self.random.randrange(len(other))
            piece = other[begin : begin + self.random.choice((1, 8, 100))]
        data[start:start] = piece

    def _cut(self, data, other):
        del data[self.random.randrange(len(data) + 1) :]

    def of_json(self, value):
        """One to three values, names or entries of it are others."""
        value = deepcopy(value)
        for _ in range(self.random.choice((1, 1, 2, 3))):
            inner, key = self._place(value)
            if key is None:
                continue
            how = self.random.randrange(5)
            if how == 0:
                del inner[key]
            elif how == 1:
                inner[key] = deepcopy(self._place(value)[0])  # of another kind than belongs there
            elif how == 2 and isinstance(inner, dict):
                inner[self.random.choice(("", "name", f"{key}x"))] = inner.pop(key)
            else:
                inner[key] = self._near(inner[key])
        return value

    def _near(self, value):
        if type(value) in (int, float) and self.random.random() < 0.5:
            return value + self.random.choice((-1, 1, 2, 1000))
        return deepcopy(self.random.choice(VALUES))

    def _place(self, value):
        """A dict or list inside, and one of its keys; None where it has none."""
        inner, key = value, None
        while isinstance(inner, dict | list) and inner:
            keys = list(inner) if isinstance(inner, dict) else range(len(inner))
            key = self.random.choice(keys)
            if not isinstance(inner[key], dict | list) or self.random.random() < 0.2:
                break
            if not inner[key]:
                break
            inner = inner[key]
        return inner, key
