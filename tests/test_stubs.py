"""The type stubs say what the compiled modules hold: no name more, none less, the same parameters.

mypy's stubtest, which .ci/run calls, compares defaults and kinds of parameters as well; it has to
be told to ignore what Cython adds to a module, and with it what a stub lacks. That is looked for
here.
"""

import ast
import inspect
from importlib import import_module
from importlib.resources import files
from pkgutil import iter_modules
from types import ModuleType

import pytest

from backprop import _core

NAMES = sorted(module.name for module in iter_modules(_core.__path__))


def stub_of(name):
    """{public name: its definition in the stub}; what the stub imports is not its own."""
    source = files("backprop._core").joinpath(f"{name}.pyi").read_text(encoding="utf-8")
    return definitions(ast.parse(source).body)


def definitions(body):
    found = {}
    for node in body:
        if isinstance(node, ast.AnnAssign):
            found[node.target.id] = node
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            found[node.name] = node
    return {name: node for name, node in found.items() if not name.startswith("_")}


def made_here(module, name, value):
    """Whether a name of a module is its own, not imported."""
    if isinstance(value, ModuleType):
        return False
    home = getattr(value, "__module__", None)
    if home is not None:
        return home == module.__name__
    # a constant does not say where it comes from: the first module that has it, by name
    others = [import_module(f"backprop._core.{other}") for other in NAMES]
    first = next(other for other in others if vars(other).get(name) is value)
    return first is module


def parameters(function):
    """Names of the parameters of a stub's function."""
    of = function.args
    return [argument.arg for argument in [*of.posonlyargs, *of.args, *of.kwonlyargs]]


@pytest.mark.parametrize("name", NAMES)
def test_a_stub_names_what_its_module_holds(name):
    module = import_module(f"backprop._core.{name}")
    own = {
        key
        for key, value in vars(module).items()
        if not key.startswith("_") and made_here(module, key, value)
    }
    assert own == set(stub_of(name))


@pytest.mark.parametrize("name", NAMES)
def test_functions_and_methods_take_the_parameters_of_the_stub(name):
    module = import_module(f"backprop._core.{name}")
    for key, node in stub_of(name).items():
        runtime = getattr(module, key)
        if isinstance(node, ast.FunctionDef):
            assert list(inspect.signature(runtime).parameters) == parameters(node), key
        elif isinstance(node, ast.ClassDef):
            members = definitions(node.body)
            assert {k for k in vars(runtime) if not k.startswith("_")} == set(members), key
            for member, inner in members.items():
                if isinstance(inner, ast.FunctionDef) and not inner.decorator_list:
                    found = list(inspect.signature(getattr(runtime, member)).parameters)
                    assert found == parameters(inner), f"{key}.{member}"


def test_the_package_says_that_it_is_typed():
    assert files("backprop").joinpath("py.typed").is_file()
