"""A few networks drawn from the whole catalogue have the same bits however they are trained.

`pytest -m long tests/long/test_configurations.py` tries all of them.
"""

from configurations import check_instruction_sets, check_ranks, check_threads

SEEDS = range(8)


def test_on_any_number_of_threads():
    check_threads(SEEDS, (1, 2, 3, 8))


def test_on_any_number_of_ranks():
    check_ranks(SEEDS, (1, 2, 4), shards=4)


def test_with_any_instruction_set_that_fuses():
    check_instruction_sets(SEEDS, n_threads=1)
