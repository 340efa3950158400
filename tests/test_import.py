"""Importing the package costs next to nothing, and its names are what they say."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import backprop as bp
from backprop import attributes

HEAVY = ("numpy", "scipy", "sklearn", "torch", "jax", "tqdm", "safetensors", "pyarrow", "pandas")


def modules_after(code):
    """Names of the modules that a fresh interpreter holds after running `code`."""
    script = f"{code}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_import_loads_nothing_heavy():
    loaded = modules_after("import backprop")
    assert "backprop" in loaded
    assert not loaded & set(HEAVY)
    assert not [name for name in loaded if name.startswith("backprop._core")]


def test_help_of_the_command_line_loads_nothing_heavy():
    loaded = modules_after(
        "import backprop.cli\ntry: backprop.cli.main(['--help'])\nexcept SystemExit: pass"
    )
    assert "backprop.cli.arguments" in loaded
    assert not loaded & set(HEAVY)


def test_training_loads_numpy_only():
    loaded = modules_after(
        "import backprop as bp, numpy as np\n"
        "net = bp.Network(2, [bp.Dense(1)], n_threads=2)\n"
        "net.fit(np.ones((4, 2)), np.ones(4), validation_data=(np.ones((4, 2)), np.ones(4)))\n"
        "net.predict(np.ones((4, 2)))"
    )
    assert loaded & set(HEAVY) == {"numpy"}
    assert "backprop.reference" not in loaded


@pytest.mark.parametrize("code", ["from backprop import Network", "import backprop.network"])
def test_an_unbuilt_source_folder_says_what_it_is(tmp_path, code):
    """In a clone it stands before the installed package."""
    ignored = shutil.ignore_patterns("*.so", "*.pyd", "__pycache__", "openblas")
    shutil.copytree(Path(bp.__file__).parent, tmp_path / "backprop", ignore=ignored)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    message = done.stderr.splitlines()[-1]
    assert message.startswith(
        f"ImportError: {tmp_path / 'backprop' / '_core'} is backprop's source"
    )
    assert "run from another folder" in message


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc/self/maps")
@pytest.mark.parametrize(("matmul", "expected"), [("fused", "False"), ("blas", "True")])
def test_openblas_is_loaded_when_it_is_used(matmul, expected):
    """Its own copy: numpy's stands in the same list under another path."""
    script = (
        "import backprop as bp, numpy as np\n"
        f"net = bp.Network(2, [bp.Dense(1)], matmul={matmul!r})\n"
        "net.fit(np.ones((4, 2)), np.ones(4))\n"
        "print(any('backprop/_core/openblas' in line for line in open('/proc/self/maps')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == [expected]


def test_loading_openblas_leaves_the_environment_as_it_was():
    script = (
        "import os, backprop as bp\n"
        "before = dict(os.environ)\n"
        "bp.Network(2, [bp.Dense(1)], matmul='blas')\n"
        "assert dict(os.environ) == before\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


@pytest.mark.parametrize("name", bp.__all__)
def test_public_names(name):
    value = getattr(bp, name)
    assert getattr(bp, name) is value  # the second time from the module itself
    if isinstance(value, type):
        assert value.__module__.startswith("backprop.")
        assert value.__doc__
    assert name in dir(bp)


def test_all_is_what_the_documentation_promises():
    assert set(bp.__all__) >= {"Adam", "Dense", "History", "Network", "SGD", "show_config"}
    namespace = {}
    exec("from backprop import *", namespace)
    assert set(bp.__all__) <= set(namespace)


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("Netwrok", "Network"),
        ("dense", "Dense"),
        ("ModelCheckpoint", "Checkpoint"),
        ("ReduceLROnPlateau", "OnPlateau"),
        ("CSVLogger", "CSVLog"),
        ("Tensorboard", "TensorBoard"),
        ("Sequential", "Network"),
        ("Linear", "Dense"),
        ("CosineAnnealingLR", "Cosine"),
        ("Nadam", "NAdam"),
        ("MLPRegresor", "MLPRegressor"),
    ],
)
def test_a_name_that_others_have_says_which_is_meant(name, known):
    words = f"^module 'backprop' has no attribute '{name}'; did you mean '{known}'\\?$"
    with pytest.raises(AttributeError, match=words):
        getattr(bp, name)
    with pytest.raises(AttributeError, match=r"has no attribute '_Sequential'$"):
        bp._Sequential  # noqa: B018  (to ask is the test)


def test_names_of_others_lead_to_names_here():
    assert set(attributes.OF_THE_PACKAGE.values()) <= set(bp._HOME)
    assert all(name == name.lower() for name in attributes.OF_THE_PACKAGE)


def test_an_unknown_name():
    with pytest.raises(AttributeError, match="'backprop' has no attribute 'Netwrok'"):
        bp.Netwrok  # noqa: B018
    with pytest.raises(ImportError, match="Netwrok"):
        from backprop import Netwrok  # noqa: F401


def test_show_config_says_what_it_runs_on():
    from backprop._core.kernels import best_instruction_set

    shown = bp.show_config()
    assert bp.__version__ in shown
    assert best_instruction_set() in shown
    assert "OpenBLAS 0.3" in shown
    assert "threads" in shown


def config_with(instruction_set):
    environment = {name: v for name, v in os.environ.items() if name != "OPENBLAS_CORETYPE"}
    return subprocess.run(
        [sys.executable, "-c", "import backprop as bp; print(bp.show_config())"],
        env={**environment, "BACKPROP_ISA": instruction_set},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("instruction_set", "kernels"), [("avx512", "SkylakeX"), ("avx2", "Haswell")]
)
def test_blas_kernels_are_those_of_the_instruction_set(instruction_set, kernels):
    """Left to itself OpenBLAS takes AVX2 kernels on processors that it does not know."""
    from backprop._core.kernels import instruction_sets

    if not instruction_sets().get(instruction_set):
        pytest.skip(f"this processor does not run {instruction_set}")
    shown = config_with(instruction_set).stdout
    assert kernels in shown
    assert instruction_set in shown


def test_an_instruction_set_that_does_not_run_here():
    done = config_with("mmx")
    assert done.returncode != 0
    assert "BACKPROP_ISA=mmx" in done.stderr
    assert "baseline" in done.stderr
