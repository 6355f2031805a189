from __future__ import annotations

import pytest
from installed import install, plugin_caches
from pixelbeam.schemas.errors import PluginError
from pixelbeam.schemas.plugins import FORMATS, Plugin, find_plugins

GROUP = "pixelbeam.formats"


@pytest.fixture
def site(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    with plugin_caches():
        yield tmp_path


def offer(site, name, code, **points):
    module = f"plugin_{name.replace('-', '_')}"
    named = {key: f"{module}:{value}" for key, value in points.items()}
    install(site, name, "2.0", {f"{module}.py": code}, {GROUP: named})


def refusal(base=dict, built_in=()) -> str:
    with pytest.raises(PluginError) as caught:
        find_plugins(FORMATS, base, built_in)
    return str(caught.value)


def test_classes_of_all_packages_by_name(site):
    offer(site, "zoo", "class Z(dict): pass\nclass A(dict): pass", zebra="Z", ant="A")
    offer(site, "box", "class M(dict): pass", mole="M")
    found = find_plugins(FORMATS, dict)
    assert [*found] == ["ant", "mole", "zebra"]
    assert found["mole"] == Plugin(found["mole"].offered, "box", "2.0")
    assert found["ant"].offered.__name__ == "A"
    assert find_plugins("pixelbeam.sinks", dict) == {}


def test_each_is_loaded_once(site):
    offer(site, "zoo", "class A(dict): pass", ant="A")
    first, second = (find_plugins(FORMATS, dict)["ant"].offered for _ in range(2))
    assert first is second


def test_a_module_that_breaks_is_named_with_its_package(site):
    offer(site, "zoo", "import nowhere", ant="A")
    assert refusal() == (
        "zoo 2.0: pixelbeam.formats: ant: cannot be imported: ModuleNotFoundError: No module named 'nowhere'; "
        "mend or uninstall the package"
    )


def test_a_message_of_several_lines_becomes_one(site):
    offer(site, "zoo", "raise RuntimeError('a\\nb')", ant="A")
    assert refusal() == (
        "zoo 2.0: pixelbeam.formats: ant: cannot be imported: RuntimeError: a b; mend or uninstall the package"
    )


@pytest.mark.parametrize("code", ["A = 3", "class A: pass", "A = dict()"])
def test_what_is_no_class_of_ours_is_refused(site, code):
    offer(site, "zoo", code, ant="A")
    assert refusal() == (
        "zoo 2.0: pixelbeam.formats: ant: got plugin_zoo:A, expected a class that is derived from dict"
    )


def test_a_name_can_be_offered_once(site):
    offer(site, "zoo", "class A(dict): pass", ant="A")
    assert refusal(built_in=("ant",)) == (
        "zoo 2.0: pixelbeam.formats: ant: got a name that is taken by pixelbeam, expected another; uninstall "
        "one of them"
    )
    offer(site, "box", "class A(dict): pass", ant="A")
    with plugin_caches():
        assert refusal() == (
            "zoo 2.0: pixelbeam.formats: ant: got a name that is taken by box, expected another; uninstall "
            "one of them"
        )
