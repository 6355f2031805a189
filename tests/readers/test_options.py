import inspect
from dataclasses import fields

from pixelbeam.readers import load
from pixelbeam.readers.options import LoadOptions, ReadOptions


def test_the_options_are_those_of_load():
    parameters = inspect.signature(load).parameters
    own = {"directory", "split", "input_context"}
    defaults = {name: p.default for name, p in parameters.items() if name not in own}
    assert {field.name: field.default for field in fields(ReadOptions)} == defaults
    assert set(LoadOptions.__annotations__) == set(defaults)


def test_only_an_unseeded_shuffle_is_not_deterministic():
    assert ReadOptions().deterministic
    assert ReadOptions(shuffle=True, seed=0).deterministic
    assert not ReadOptions(shuffle=True).deterministic
    assert not ReadOptions(shuffle=10).deterministic
