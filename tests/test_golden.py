"""The same seed gives the same weights as when the hashes in golden_weights.json were written."""

import json

import golden
import pytest

from backprop._core import kernels

HASHES = json.loads(golden.FILE.read_text())


@pytest.fixture(autouse=True)
def _fused_multiply_add():
    if kernels.best_instruction_set() == "baseline" and "avx2" in kernels.instruction_sets():
        pytest.skip("baseline x86-64 rounds products and sums separately: other bits")


def test_every_entry_of_the_catalogue_is_among_the_choices():
    missing = golden.missing()
    assert not missing, f"tests/golden.py lacks {missing}: add them there, and write hashes anew"


def test_every_choice_has_a_hash():
    assert set(HASHES) == {golden.key(*choice) for choice in golden.choices()}


@pytest.mark.parametrize("activation", golden.ACTIVATIONS)
@pytest.mark.parametrize("dtype", golden.DTYPES)
def test_weights_are_those_of_the_hashes(dtype, activation):
    for choice in golden.choices():
        if choice[:2] == (dtype, activation):
            for n_threads in golden.THREADS:
                found = golden.fingerprint(golden.train(*choice, n_threads=n_threads))
                assert found == HASHES[golden.key(*choice)], (*choice, n_threads)
