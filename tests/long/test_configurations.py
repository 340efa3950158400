"""100 networks drawn from the whole catalogue have the same bits however they are trained."""

import pytest
from configurations import (
    ACTIVATIONS,
    INITIALIZERS,
    LOSSES,
    NORMS,
    SCHEDULES,
    STEPPING,
    Configuration,
    check_instruction_sets,
    check_ranks,
    check_threads,
)

from backprop._core.kernels import instruction_sets

pytestmark = pytest.mark.long

SEEDS, THREADS = range(100), (1, 2, 3, 4, 8)


def test_on_any_number_of_threads():
    hashes = check_threads(SEEDS, THREADS)
    diverged = [seed for seed, found in hashes.items() if found.startswith("diverged")]
    assert len(diverged) <= len(SEEDS) / 10, [str(Configuration(seed)) for seed in diverged]
    assert len(set(hashes.values())) == len(SEEDS)
    print(f"{len(SEEDS)} configurations, {len(diverged)} of them diverge; threads: {THREADS}")


def test_on_any_number_of_ranks():
    hashes = check_ranks(SEEDS, (1, 2, 4), shards=4)
    diverged = [seed for seed, found in hashes.items() if found.startswith("diverged")]
    assert len(diverged) <= len(SEEDS) / 10, [str(Configuration(seed)) for seed in diverged]


@pytest.mark.parametrize("n_threads", [1, 3])
def test_with_any_instruction_set_that_fuses(n_threads):
    check_instruction_sets(SEEDS, n_threads)
    print([name for name, runs in instruction_sets().items() if runs])


def test_they_are_of_the_whole_catalogue():
    drawn = [Configuration(seed) for seed in SEEDS]
    layers = [layer for each in drawn for layer in each.layers]
    schedules = [each.optimizer.schedule for each in drawn]
    assert {layer.function.name for layer in layers} == set(ACTIVATIONS)
    assert {layer.initial_weights.name for layer in layers} == set(INITIALIZERS)
    assert {layer.norm_function.name for layer in layers if layer.norm} == set(NORMS)
    assert {each.loss.name for each in drawn} == set(LOSSES)
    assert {type(each.optimizer) for each in drawn} == set(STEPPING)
    assert {type(schedule) for schedule in schedules if schedule} == set(SCHEDULES.values())
    for name in ("dropout", "noise", "residual", "max_norm"):
        assert any(getattr(layer, name) for layer in layers), name
