"""The examples in docstrings print what they say, and the first things that a reader meets have one."""
import doctest
import importlib
import pkgutil

import pytest

import autograd
import minigen

MODULES = [info.name for package in (autograd, minigen)
           for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}.") if "__main__" not in info.name]
FIRST = {"autograd.tensor.parameter", "autograd.sweep.backward", "autograd.sweep.grad", "autograd.gradcheck.gradcheck",
         "minigen.nn.module.Module", "minigen.data.space.Space", "minigen.data.dataset.Dataset", "minigen.player.Player",
         "minigen.optim.Adam", "minigen.optim.cosine_decay", "minigen.diffusion.levels.noised",
         "minigen.densities.log_bernoulli"}


def with_examples(name):
    return [test for test in doctest.DocTestFinder(exclude_empty=True).find(importlib.import_module(name)) if test.examples]


@pytest.mark.parametrize("name", MODULES)
def test_docstrings_print_what_they_say(name):
    runner = doctest.DocTestRunner(verbose=False)
    for test in with_examples(name):
        assert runner.run(test).failed == 0, test.name


def test_the_first_things_have_an_example():
    assert FIRST <= {test.name for name in MODULES for test in with_examples(name)}
