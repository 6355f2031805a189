import inspect
from dataclasses import fields

from pixelbeam.readers import load
from pixelbeam.readers.options import LoadOptions, ReadOptions


def test_the_options_are_those_of_load():
    own = {"directory", "split", "input_context"}
    parameters = inspect.signature(load).parameters.values()
    of_load = {p.name: (p.annotation, p.default) for p in parameters if p.name not in own}
    assert of_load == {field.name: (field.type, field.default) for field in fields(ReadOptions)}
    handed_on = {name: hint.__forward_arg__ for name, hint in LoadOptions.__annotations__.items()}
    assert handed_on == {field.name: field.type for field in fields(ReadOptions)}


def test_only_an_unseeded_shuffle_is_not_deterministic():
    assert ReadOptions().deterministic
    assert ReadOptions(shuffle=True, seed=0).deterministic
    assert not ReadOptions(shuffle=True).deterministic
    assert not ReadOptions(shuffle=10).deterministic
