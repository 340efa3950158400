"""Networks and trainings drawn at random from all that the catalogue has; the hash of what each
comes to.

A number is a seed: `Configuration(7)` is the same on any day. A new entry of the catalogue is drawn
from then on, without a line here.
"""

import hashlib
import json
from dataclasses import MISSING, fields, replace

import numpy as np
from networks import OF_FOUR, TARGETS, fits, printed, tamed

import backprop as bp
from backprop.catalogue.activations import ACTIVATIONS
from backprop.catalogue.averages import AVERAGES
from backprop.catalogue.initializers import INITIALIZERS
from backprop.catalogue.losses import LOSSES
from backprop.catalogue.norms import NORMS
from backprop.catalogue.optimizers import OPTIMIZERS, Muon
from backprop.catalogue.records import Flag
from backprop.catalogue.schedules import SCHEDULES
from backprop.ranks import InProcess

STEPPING = (*OPTIMIZERS.values(), Muon)
RATES = (0.001, 0.003, 0.01)
DTYPES = ("float32", "float64")


class Draw:
    """Choices that follow from a seed."""

    def __init__(self, seed):
        self.random = np.random.default_rng([seed, 2026])

    def chance(self, share):
        return bool(self.random.random() < share)

    def integer(self, low, high):
        """Both ends are drawn."""
        return int(self.random.integers(low, high + 1))

    def real(self, low, high):
        return float(self.random.uniform(low, high))

    def one_of(self, values):
        values = list(values)
        return values[self.integer(0, len(values) - 1)]

    def maybe(self, share, draw, otherwise):
        return draw() if self.chance(share) else otherwise

    def entry(self, table):
        """One of a table of the catalogue; half of those that have parameters, with others."""
        entry = self.one_of(table.values())
        if self.chance(0.5):
            return entry
        numbers = [one for one in entry.parameters if not one.symbol]
        return entry(**{one.name: self.parameter(one) for one in numbers})

    def parameter(self, parameter):
        """A value near its default."""
        if isinstance(parameter, Flag):
            return self.chance(0.5)
        return self.real(0.5, 1.5) * parameter.default or self.real(0.01, 0.2)

    def schedule(self):
        """One whose rates change within a few steps."""
        kind = self.one_of(SCHEDULES.values())
        drawn = {"int": lambda: self.integer(2, 9), "float": lambda: self.real(0.7, 0.95)}
        needed = [field for field in fields(kind) if field.default is MISSING]
        given = {field.name: drawn[field.type]() for field in needed}
        if kind.per is not None:
            given["per"] = self.one_of(["step", "epoch"])
        return kind(**given)

    def optimizer(self):
        kind = self.one_of(STEPPING)
        given = dict(self.one_of([{}, *kind.variants]))
        names = {field.name for field in fields(kind)}
        shared = {
            "l2": lambda: self.real(0.001, 0.1),
            "l1": lambda: self.real(0.001, 0.1),
            "weight_decay": lambda: self.real(0.001, 0.1),
            "schedule": self.schedule,
            "clip_norm": lambda: self.real(0.05, 1),
            "clip_value": lambda: self.real(0.01, 0.1),
            "accumulate": lambda: self.integer(2, 3),
            "average": lambda: self.one_of(AVERAGES.values())(),
        }
        for name in shared:
            if name in names and self.chance(0.5 if name == "schedule" else 0.3):
                given[name] = shared[name]()
        return kind(self.one_of(RATES), **given)

    def layer(self, n_inputs, units, activation):
        """A `Dense` with any of its options."""
        return bp.Dense(
            units,
            activation,
            dropout=self.maybe(0.25, lambda: self.real(0.1, 0.5), 0.0),
            noise=self.maybe(0.25, lambda: self.real(0.01, 0.5), 0.0),
            norm=self.maybe(0.4, lambda: self.entry(NORMS), None),
            residual=units == n_inputs and self.chance(0.5),
            weights=self.maybe(0.4, lambda: self.entry(INITIALIZERS), None),
            use_bias=self.chance(0.8),
            trainable=self.chance(0.9),
            learning_rate_factor=self.maybe(0.2, lambda: self.real(0.2, 2), 1.0),
            max_norm=self.maybe(0.2, lambda: self.real(0.5, 3), None),
        )


class Configuration:
    """What a seed draws: `network` makes it, `digest` trains it and hashes what comes of it."""

    def __init__(self, seed):
        draw = Draw(seed)
        self.seed = seed
        self.layers, self.loss = self._layers(draw)
        self.optimizer = draw.optimizer()
        self.dtype = draw.one_of(DTYPES)
        self.input_dropout = draw.maybe(0.2, lambda: draw.real(0.1, 0.4), 0.0)
        self.transform = draw.chance(0.3)
        self.source = draw.one_of(["float32", "float64", "int16", "uint8"])
        self.n_rows = draw.integer(1, 120)
        self.batch_size = draw.integer(max(1, self.n_rows // 6), 80)
        self.shuffle, self.weighted = draw.chance(0.8), draw.chance(0.5)
        self.data = self._data(draw)

    def _layers(self, draw):
        self.n_inputs = width = draw.integer(1, 70)
        layers = []
        for _ in range(draw.integer(0, 3)):
            units = draw.one_of([width, draw.integer(1, 90)])
            layers.append(draw.layer(width, units, draw.entry(ACTIVATIONS)))
            width = units
        loss = draw.entry(LOSSES)
        if not fits(loss, 4):
            loss = OF_FOUR[loss.name]
        last = "identity" if loss.takes_logits else draw.entry(ACTIVATIONS)
        layers.append(draw.layer(width, 4, last))
        return layers, loss

    def _data(self, draw):
        """X, y, sample weights: so that some batches weigh little, and none nothing."""
        X = draw.random.normal(size=(self.n_rows, self.n_inputs)) * 3
        X = np.abs(X).astype(self.source) if self.source == "uint8" else X.astype(self.source)
        y = TARGETS[self.loss.target](draw.random.normal(size=(self.n_rows, 4)))
        weights = draw.random.choice([0.25, 0.5, 1, 2], self.n_rows) if self.weighted else None
        return X, y, weights

    def network(self, n_threads):
        scaled = {"input_offset": 0.5, "input_scale": np.linspace(0.2, 0.9, self.n_inputs)}
        return tamed(
            bp.Network(
                self.n_inputs,
                self.layers,
                self.loss,
                self.optimizer,
                self.dtype,
                seed=self.seed,
                n_threads=n_threads,
                input_dropout=self.input_dropout,
                **(scaled if self.transform else {}),
            )
        )

    def without_what_mixes(self):
        """The same, but for what has no shards: a norm over the batch, steps of several batches."""
        kept = [
            replace(layer, norm=None)
            if layer.norm is not None and layer.norm_function.is_over_samples
            else layer
            for layer in self.layers
        ]
        self.layers, self.optimizer = kept, replace(self.optimizer, accumulate=1)
        return self

    def digest(self, n_threads, shards=1, ranks=None):
        """SHA-256 of all that training changes, of losses and predictions; or what diverged."""
        net, (X, y, weights) = self.network(n_threads), self.data
        options = {"batch_size": min(self.batch_size, self.n_rows), "shuffle": self.shuffle}
        options |= {"shards": shards, "ranks": ranks}
        validation = (X[:7], y[:7])
        try:
            history = net.fit(
                X, y, epochs=2, sample_weight=weights, validation_data=validation, **options
            )
            net.train_step(X, y, weights)
        except (FloatingPointError, ValueError) as error:
            return f"diverged: {error}"
        columns = {name: values for name, values in history.columns.items() if name != "seconds"}
        found = hashlib.sha256(repr(columns).encode())
        nets = [net] if self.optimizer.average is None else [net, net.averaged()]
        arrays = [net.predict(X), *(one for each in nets for one in all_arrays(each))]
        for array in arrays:
            found.update(np.ascontiguousarray(array).tobytes())
        return found.hexdigest()

    def __str__(self):
        layers = "\n  ".join(map(str, self.layers))
        return (
            f"configuration {self.seed}: {self.n_inputs} inputs, {self.n_rows} rows in batches of "
            f"{self.batch_size}, {self.dtype}, {self.loss}, {self.optimizer}\n  {layers}"
        )


def all_arrays(network):
    """Parameters and statistics of all layers, and what the optimizer keeps."""
    for layer in network.layers:
        yield from layer.parameters.values()
        yield from layer.statistics.values()
    for views in network.optimizer_state().values():
        for pair in views:
            yield from pair


def digests(seeds, threads):
    """{seed: {n_threads: digest}}."""
    return {seed: {n: Configuration(seed).digest(n) for n in threads} for seed in seeds}


def check_threads(seeds, threads):
    """Of each seed one hash, whatever the number of threads: {seed: hash}."""
    found = digests(seeds, threads)
    for seed, hashes in found.items():
        assert len(set(hashes.values())) == 1, f"{Configuration(seed)}\n{hashes}"
    return {seed: hashes[threads[0]] for seed, hashes in found.items()}


def check_ranks(seeds, sizes, shards):
    """Of each seed one hash, whatever the number of ranks that have the shards: {seed: hash}."""
    found = {}
    for seed in seeds:
        hashes = {Configuration(seed).without_what_mixes().digest(1, shards)}
        for size in sizes:
            hashes |= set(
                InProcess.run(
                    size,
                    lambda ranks, seed=seed: (
                        Configuration(seed).without_what_mixes().digest(1, shards, ranks)
                    ),
                )
            )
        assert len(hashes) == 1, f"{Configuration(seed)}\n{hashes}"
        found[seed] = hashes.pop()
    return found


def check_instruction_sets(seeds, n_threads):
    """Of each seed one hash, on all that multiply and add with one rounding."""
    program = (
        "import configurations, json\n"
        f"print(json.dumps(configurations.digests({list(seeds)}, [{n_threads}])))"
    )
    first, *others = map(json.loads, printed(program))
    differing = {seed for other in others for seed in first if other[seed] != first[seed]}
    assert not differing, "\n".join(str(Configuration(int(seed))) for seed in differing)
