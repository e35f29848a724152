from __future__ import annotations

import sys
from pathlib import Path

import pytest

from journaltune.base.errors import SpaceError
from journaltune.space import load_space_file, parse_spec

YAML = """
params:
  lr: log(1e-5, 1e-1)   # a comment
  layers: int(1, 8)
  opt: adam | sgd
  "weight decay": "0.1 | 1e-5"
"""
TOML = """
[params]
lr = "log(1e-5, 1e-1)"
layers = "int(1, 8)"
opt = "adam | sgd"
"weight decay" = "0.1 | 1e-5"
"""
JSON = '{"params": {"lr": "log(1e-5, 1e-1)", "layers": "int(1, 8)", "opt": "adam | sgd", "weight decay": "0.1 | 1e-5"}}'
SPECS = {"lr": "log(1e-5, 1e-1)", "layers": "int(1, 8)", "opt": "adam | sgd", "weight decay": "0.1 | 1e-5"}


def written(folder: Path, name: str, content: str | bytes) -> str:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("space.yaml", YAML),
        ("space.YML", YAML),
        ("space.yaml", JSON),
        ("space.toml", TOML),
        ("space.json", JSON),
        ("space.json", "\ufeff" + JSON),
        ("space.yaml", YAML.replace("\n", "\r\n") + "require: []\r\n"),
    ],
)
def test_the_three_formats_say_the_same(tmp_path: Path, name: str, content: str) -> None:
    found = load_space_file(written(tmp_path, name, content)).distributions
    assert list(found.items()) == [(key, parse_spec(key, spec)) for key, spec in SPECS.items()]


def test_plain_values_are_single_choices_and_yaml_words_are_those_of_the_grammar(tmp_path: Path) -> None:
    content = "params:\n  a: 1e-5\n  b: 5\n  c: true\n  d: on\n  e: null\n  f: 2024-01-01\n  g: '1'\n  h: |\n    x |\n    y\n"
    found = load_space_file(written(tmp_path, "s.yaml", content)).distributions
    assert [known.choices for known in found.values()] == [
        (1e-5,),
        (5,),
        (True,),
        ("on",),
        (None,),
        ("2024-01-01",),
        (1,),
        ("x", "y"),
    ]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("s.json", '{"lr": {"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-5, "high": 1, "log": true}}}'),
        ("s.yaml", "lr: {name: FloatDistribution, attributes: {step: null, low: 1e-5, high: 1, log: true}}"),
        ("s.yaml", "lr:\n  name: LogUniformDistribution\n  attributes:\n    low: 1e-5\n    high: 1\n"),
        ("s.toml", '[lr]\nname = "FloatDistribution"\nattributes = {low = 1e-5, high = 1, log = true}'),
        ("s.json", '{"params": {"lr": {"type": "float", "low": 1e-5, "high": 1, "log": true}}}'),
    ],
)
def test_optunas_own_form_is_read(tmp_path: Path, name: str, content: str) -> None:
    assert load_space_file(written(tmp_path, name, content)).distributions == {"lr": parse_spec("lr", "log(1e-5, 1)")}


def test_a_parameter_may_be_called_params(tmp_path: Path) -> None:
    content = '{"params": {"name": "IntDistribution", "attributes": {"low": 1, "high": 2}}}'
    assert list(load_space_file(written(tmp_path, "s.json", content)).distributions) == ["params"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("s.yaml", "params:\n  lr: log(0, 1)\n", "lr: log(0, 1): the lower bound of a log must be above 0"),
        ("s.yaml", "params:\n  a: 1\n  a: 2\n", "line 3: a is there twice"),
        ("s.json", '{"params": {"a": "1", "a": "2"}}', "a is there twice"),
        ("s.toml", '[params]\na = "1"\na = "2"\n', "it is not TOML"),
        (
            "s.yaml",
            "params: !!python/object/apply:os.system ['true']\n",
            "the tag tag:yaml.org,2002:python/object/apply:os.system",
        ),
        ("s.yaml", "params:\n  a: &a 1 | 2\n  b: *a\n", "line 3: an alias (*) is used; write the value out"),
        ("s.yaml", "a: &a [x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n", "an alias (*) is used"),
        ("s.yaml", "a: &a\n  b: *a\n", "an alias (*) is used"),
        ("s.yaml", "params:\n  <<: {a: 1 | 2}\n", "<<: not a distribution of Optuna's"),
        ("s.yaml", "params:\n  ? [a]\n  : 1\n", "a key is not text"),
        ("s.yaml", "params:\n  opt: [adam, sgd]\n", "opt: a list can't be a choice"),
        ("s.yaml", "params:\n  opt:\n", "opt: the spec is empty"),
        ("s.yaml", "params: {a: b: c}", "it is not YAML"),
        ("s.yaml", "a: 1\n---\nb: 2\n", "it is not YAML"),
        ("s.yaml", '"\\UFFFFFFFF"', "it is not YAML"),
        ("s.yaml", "\tparams: x", "it is not YAML"),
        ("s.yaml", "", "it has no parameters by name"),
        ("s.yaml", "- a\n- b\n", "it has no parameters by name"),
        ("s.yaml", "params: 5\n", "it has no parameters by name"),
        ("s.yaml", "params: {}\n", "the space has no parameters"),
        ("s.yaml", "lr: log(1e-5, 1)\n", "lr is not a part of a space file; put parameters below params"),
        ("s.yaml", "params: {a: 1 | 2}\nrequire:\n  - a < 2\n", "require is not supported yet"),
        ("s.toml", "[params]\na = 2024-01-01\n", "a: a date can't be a choice"),
        ("s.toml", "params", "it is not TOML"),
        ("s.toml", "a." * 45_000 + "a = 1", "a line has more than 1000 dots"),
        ("s.json", "{", "it is not JSON"),
        ("s.json", '{"params": {"a": NaN}}', "a: nan can't be a choice"),
        ("s.json", '{"params": {"\\ud800": "1"}}', "\\ud800: a parameter's name can't have"),
        ("s.json", '{"params": {"a\\nb": "1"}}', "a\\nb: a parameter's name can't have"),
        ("s.json", '{"params": {"a": "\\ud800"}}', "a: \\ud800: "),
        ("s.json", '{"params": {"a": ' + "9" * 5000 + "}}", "it is not JSON"),
        ("s.json", "[" * 45_000, "it is nested too deeply"),
        ("s.yaml", "[" * 45_000, "it is nested too deeply"),
        ("s.yaml", "{a: " * 20_000, "it is nested too deeply"),
        ("s.yaml", "- " * 45_000, "it is nested too deeply"),
        ("s.toml", "a = " + "[" * 45_000, "it is nested too deeply"),
        ("s.json", "x" * 10_000_000, "it has more than 100000 bytes"),
        ("s.yaml", b"\xff\xfe\x00", "can't be read: it is not UTF-8 text"),
        ("s.txt", "params", "its ending is not .yaml, .yml, .toml or .json"),
        ("yaml", "params", "its ending is not"),
    ],
)
def test_a_wrong_file_is_refused_in_one_line(tmp_path: Path, name: str, content: str | bytes, message: str) -> None:
    path = written(tmp_path, name, content)
    with pytest.raises(SpaceError) as caught:
        load_space_file(path)
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{path}: ")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < len(path) + 400


@pytest.mark.parametrize("name", ["missing.yaml", ".", "a\0b.json"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(SpaceError, match="can't be read: "):
        load_space_file(f"{tmp_path}/{name}")


def test_without_pyyaml_the_error_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    monkeypatch.delitem(sys.modules, "journaltune.space.yaml_reader", raising=False)
    with pytest.raises(SpaceError, match=r"install journaltune\[yaml\], or write the file as TOML or JSON"):
        load_space_file(written(tmp_path, "s.yaml", YAML))
