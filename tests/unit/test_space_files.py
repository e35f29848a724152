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


def test_a_list_is_a_choice_and_yaml_words_are_those_of_the_grammar(tmp_path: Path) -> None:
    content = (
        "params:\n  a: [1e-5, 5, true, on, No, null, 2024-01-01, '1', '1e-5']\n  b: |\n    x |\n    y\n  c: [8]\n  d: '= 27'\n"
    )
    space = load_space_file(written(tmp_path, "s.yaml", content))
    found = space.distributions
    values = (1e-5, 5, True, "on", "No", None, "2024-01-01", "1", "1e-5")
    assert [known.choices for known in found.values()] == [values, ("x", "y"), (8,)]
    assert space.to_config()["params"]["d"] == "= 27"
    assert [type(choice) for choice in found["a"].choices] == list(map(type, values))


@pytest.mark.parametrize(
    ("mapping", "spec"),
    [
        ("{type: float, low: 1e-5, high: 1, log: False}", "float(1e-5, 1)"),
        ("{type: float, low: 1e-5, high: 1, log: no}", "float(1e-5, 1)"),
        ("{type: float, low: 1e-5, high: 1, log: false}", "float(1e-5, 1)"),
        ("{type: float, low: 1e-5, high: 1, log: True}", "log(1e-5, 1)"),
        ("{type: float, low: 1e-5, high: 1, log: yes}", "log(1e-5, 1)"),
        ("{type: float, low: 0, high: 1, step: 0.25}", "float(0, 1, step=0.25)"),
        ("{type: float, low: 0, high: 1, step: null}", "float(0, 1)"),
        ("{type: int, low: 0, high: 10, step: 2}", "int(0, 10, step=2)"),
        ("{type: int, low: 1, high: 64, log: true, step: 1}", "int(1, 64, log)"),
        ("{type: categorical, choices: [a, no, 1]}", "a | no | 1"),
        ("{min: 0, max: 1}", "int(0, 1)"),
        ("{min: 0.0, max: 1}", "float(0, 1)"),
        ("[8, 16, 32]", "8 | 16 | 32"),
    ],
)
def test_a_mapping_means_what_it_says(tmp_path: Path, mapping: str, spec: str) -> None:
    content = "params:\n  x: " + mapping
    assert load_space_file(written(tmp_path, "s.yaml", content)).distributions == {"x": parse_spec("x", spec)}


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ('{type: float, low: 1e-5, high: 1, log: "false"}', "log is the text 'false'; write true or false, without quotes"),
        ("{type: float, low: 1e-5, high: 1, log: 'False'}", "log is the text 'False'"),
        ("{type: float, low: 1e-5, high: 1, log: maybe}", "log is the text 'maybe'"),
        ("{type: float, low: 1e-5, high: 1, log: 0}", "log is 0"),
        ("{type: float, low: 1e-5, high: 1, log: null}", "log is None"),
        ("{type: float, low: 1e-5, high: 1, log_scale: true}", "log_scale is not a part of it; did you mean log?"),
        ("{type: float, low: 1e-5, hihg: 1}", "hihg is not a part of it; did you mean high?"),
        ("{type: int, low: 0, high: 10, q: 2}", "q is not a part of it; did you mean step?"),
        ("{type: int, low: 0, high: 10, colour: red}", "colour is not a part of it; it may have low, high, step, log"),
        ("{type: float, low: 0, high: 1, default: 0.5}", "default is not a part of a parameter; leave it out"),
        ("{type: int, low: 0.5, high: 3}", "0.5 is not an integer; write x: float(0.5, 3)"),
        ("{type: float, low: '0', high: 1}", "low is the text '0'; write a number without quotes"),
        ("{type: float, low: true, high: 1}", "low is True; write a number"),
        ("{type: float, low: 0, high: null}", "high is None; write a number"),
        ("{type: float, low: 0, high: [1]}", "high is a list; write a number"),
        ("{type: float, low: 0, high: 1, step: '0.1'}", "step is the text '0.1'"),
        ("{type: float, low: 0, high: 1, log: true, step: 0.1}", "a log has no step"),
        ("{type: float, low: 2, high: 1}", "the lower bound is above the upper one"),
        ("{type: float, low: 0}", "high is missing"),
        ("{type: float}", "low is missing"),
        ("{min: 0}", "max is missing"),
        ("{max: 1}", "min is missing"),
        ("{type: categorical}", "choices is missing"),
        ("{type: categorical, choices: abc}", "choices is 'abc'; write a list"),
        ("{type: categorical, choices: {a: 1}}", "choices is a dict; write a list"),
        ("{type: categorical, choices: []}", "there are no choices"),
        ("{type: real, low: 0, high: 1}", "a mapping needs type: float, int or categorical; write x: float(0, 1)"),
        ("{low: 0, high: 5}", "a mapping needs type: float, int or categorical; write x: int(0, 5)"),
        ("{name: FloatDistribution, attributes: {low: 0}}", "high is missing"),
        ("{name: FloatDistribution, attributes: {low: 0, high: 1, logg: true}}", "logg is not a part of it; did you mean log?"),
        ("{name: FloatDistribtion, attributes: {low: 0, high: 1}}", "write FloatDistribution"),
        ("{name: IntDistribution, attributes: {low: 0, high: 1.5}}", "1.5 is not an integer"),
        ("{name: IntDistribution, attributes: 5}", "attributes is 5; write a mapping"),
        ("8", "one value leaves nothing to search; write choice(8)"),
        ("adam", "one value leaves nothing to search; write choice(adam)"),
        ("1e-5..1", "write x: log(1e-5, 1)"),
        ("{values: [a, b]}", "that is how Weights & Biases writes it in files of its own; write x: choice(a, b)"),
        ("{value: 27}", "write x: = 27"),
        ("{distribution: log_uniform_values, min: 1e-5, max: 0.1}", "write x: log(1e-5, 0.1)"),
        ("{distribution: q_uniform, min: 32, max: 256, q: 32}", "write x: float(32, 256, step=32)"),
        ("{distribution: log_uniform, min: -5, max: 0}", "write x: log(0.006737946999085467, 1)"),
        (
            "{_type: quniform, _value: [0, 0.6, 0.1]}",
            "that is how NNI writes it in files of its own; write x: float(0, 0.6, step=0.1)",
        ),
        ("{_type: randint, _value: [1, 5]}", "write x: int(1, 4)"),
        (
            "{type: uniform_float, lower: 0, upper: 1, log: true}",
            "that is how ConfigSpace writes it in files of its own; write a spec",
        ),
    ],
)
def test_a_wrong_mapping_is_refused_with_the_key_or_value_named(tmp_path: Path, mapping: str, message: str) -> None:
    path = written(tmp_path, "s.yaml", "params:\n  x: " + mapping)
    with pytest.raises(SpaceError) as caught:
        load_space_file(path)
    assert str(caught.value).startswith(f"{path}: x: ")
    assert message in str(caught.value)
    assert len(str(caught.value)) < len(path) + 200


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "s.json",
            '{"lr": {"name": "FloatDistribution", "attributes": {"low": 0, "high": 1}}, "n": {"name": "IntDistribution"}}',
            "n: a mapping needs type: float, int or categorical",
        ),
        (
            "s.json",
            '{"lr": {"name": "FlotDistribution", "attributes": {"low": 0, "high": 1}}}',
            "lr: 'FlotDistribution' is not a distribution of Optuna's; write FloatDistribution",
        ),
        ("s.yaml", "parms: {x: 'float(0, 1)'}", "parms is not a part of a space file; did you mean params?"),
        (
            "s.yaml",
            "params: {x: 'float(0, 1)'}\nreqiure: [x < 1]",
            "reqiure is not a part of a space file; did you mean require?",
        ),
    ],
)
def test_a_file_of_another_kind_is_named_and_one_parameter_shown(tmp_path: Path, name: str, content: str, message: str) -> None:
    path = written(tmp_path, name, content)
    with pytest.raises(SpaceError) as caught:
        load_space_file(path)
    assert str(caught.value).startswith(f"{path}: {message}")


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
        ("s.yaml", "params:\n  <<: {a: 1 | 2}\n", "<<: a mapping needs type: float, int or categorical"),
        ("s.yaml", "params:\n  ? [a]\n  : 1\n", "a key is not text"),
        ("s.yaml", "params:\n  opt: [adam, [sgd], [sgd]]\n", 'opt: choice(adam="adam", "[\\"sgd\\"]"=["sgd"], "[\\"sgd\\"]"'),
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
        ("s.yaml", "params: {a: 1 | 2}\nrequire:\n  - b < 2\n", "b is not a parameter"),
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
        ("s.json", "x" * 10_000_000, "it has more than 1000000 bytes"),
        ("s.yaml", b"\xff\xfe\x00", "can't be read: it is not UTF-8 text"),
        ("s.txt", "params", "its ending is not .yaml, .yml, .toml, .json or .pcs"),
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
