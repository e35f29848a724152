"""Texts, files and journals that no careful person would write: what the fuzzed command lines are made of."""

from __future__ import annotations

import json
import os
from functools import cache
from typing import TYPE_CHECKING

from journaltune.engine.ask import ask
from journaltune.engine.create import create
from journaltune.engine.tell import tell
from journaltune.space import space_from_params
from torture import journals

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

STEER = "\x1b[31m\x9b2J\x07\r"  # what a terminal would obey
# fmt: off
_STRANGE = (
    "", " ", "-", "--", "---", "-0", "-1", "1 ", " 1", "1_000", "0x10", "1e5", "1.", ".5", "٣", "½", "1e999", "-1e999", "nan",
    "NaN", "-inf", "Infinity", "9" * 400, "9" * 5000, "-" + "9" * 30, "18446744073709551616", "9223372036854775808", "1e-400",
    "\x00", "a\x00b", "\ud800", "a\udcff", "\n", "a\nb", "\r\n", "\t", STEER, "ü" * 3, "\u202e", "\u2028", "\ufeff", "é",
    "🙂" * 50, "=", "==", "a=", "=a", "a=b=c", ":", "x:", ": float(0, 1)", "'", '"', "$(x)", "`x`", "%s", "{", "}", "{}", "[]",
    "null", "*", "../x", "a/b", "/", ".", "..", "~", "folder", "zero", "missing", "dangling", "true", "[" * 5000, '{"a":' * 3000,
    "a" * 100_000,
)
_JSON = (
    '{"x": 0.5}', '{"x": 0.5, "c": "a"}', '{"x": 2}', '{"x": "0.5"}', '{"x": null}', '{"x": NaN}', '{"x": 1e999}', '{"x": true}',
    '{"x": 0.5, "x": 0.7}', '{"": 1}', '{"x": []}', "{}", "[]", "0", '"a"', '{"x": 1', '{"c": "\\ud800"}', '{"x": 0.5}}', "nul",
    '{"x": ' + "1" * 5000 + "}", '{"x": ' + "[" * 3000 + "]" * 3000 + "}", json.dumps({"c": STEER}), '{"x": 1e-400}',
    '{"x": -0.0}',
)
_SPECS = (
    "x: float(0, 1)", "x: log(1e-5, 1)", "n: int(1, 8)", "n: int(1, 8, step=2)", "n: int(1, 1024, log)", "c: a | ü | 3 | null",
    "x: float(1, 0)", "x: float(0, 1, step=0)", "x: log(0, 1)", "n: int(0, 9, log)", "x: float(0, 1e999)", "x: float(nan, 1)",
    "x: int(0, 1e30)", "x: choice()", "x: a | a", "x: 'a", 'x: "' + STEER + '"', "x: float(0, 1", "x: flaot(0, 1)", "x:", "x",
    "x: " + " | ".join(map(str, range(3000))), "x: float(0, 1, step=1e-300)", "x: __import__('os')", "x: " + "(" * 2000,
    "a.b: a | b",
)
_YAML = (
    "params:\n  x: float(0, 1)\n", "params: {x: a | b}\n", "", "[]", "params:\n", "params: 7\n", "x: float(0, 1)\n", "\t- x",
    "%YAML 9\n", "params:\n  x: !!python/object/apply:os.system ['true']\n", "!!python/object:os.path {}\n",
    "params: !!binary aGk=\n",
    "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1 or ''}, *a{n - 1 or ''}]\n" for n in range(1, 30)),
    "params:\n  x: float(0, 1)\n  x: int(0, 1)\n", "params: &p {x: *p}\n", "params:\n  ? [a]\n  : b\n", "{" * 3000, "- " * 3000,
    "params:\n  x: '" + "a" * 200_000 + "'\n", "params:\n  x: 9" + "9" * 6000 + "\n", "params:\n  x: 2001-02-30\n",
    "params: {x: .nan}\n", "params:\n  \x1b[2Jx: float(0, 1)\n", "params:\n  x: \ufffe\n", "--- a\n--- b\n",
    'params: {"x\\0": a | b}\n', "params: {<<: {x: a}}\n",
)
_TOML = (
    '[params]\nx = "float(0, 1)"\n', "[params]\nx = 1\n", "[params\n", 'params.x = "a | b"\nparams.x = "c"\n',
    "x = " + "[" * 3000, "a." * 900 + "b = 1\n", "params = {}\n", '[params]\n"" = "a | b"\n', "[params]\nx = 1979-05-27\n",
    '[params]\nx = """\n"""\n', "\ufeff", '[params]\n"\\u001b[2J" = "a | b"\n',
)
# fmt: on
_TEMPLATES = ("x = {x}, {trial}, {seed}\n", "{{}}", "{", "{nothing}", "{x", "\x1b[2J{x}", "}" * 1000, "{x}" * 5000, "")
_NAMES = ("s", journals.NAME, "other", "two", STEER, "s.journal")


def text_for(option: str, metavar: str, random: Random) -> str:
    """A value for an option or argument: most of them such as it takes."""
    if random.random() < 0.25:
        return strange(random)
    chosen = random.choice(_FITTING.get(option) or _FITTING.get(metavar) or _STRANGE)
    return chosen if random.random() < 0.9 else _bent(chosen, random)


def strange(random: Random) -> str:
    if random.random() < 0.01:
        return "v" * 10_000_000
    return random.choice(_STRANGE) if random.random() < 0.9 else "".join(chr(random.randrange(0x300)) for _ in range(9))


def _bent(text: str, random: Random) -> str:
    """The same with a character more, fewer, or other."""
    at = random.randrange(len(text) + 1)
    return text[:at] + random.choice(("", "\x00", "é", " ", "9", "\ud800", "\x1b")) + text[at + random.randrange(2) :]


# fmt: off
JOURNALS = (
    *["study.journal"] * 3, "two.journal", "steering.journal", "damaged.journal", "new.journal", "empty.journal",
)
COUNTS = ("1", "2", "3", "12", "0", "-1", "1.5", "", "x", "\x00")
_FITTING: dict[str, tuple[str, ...]] = {
    "--journal": (*JOURNALS, "folder", "missing/x", "zero", "dangling"),
    "--study": _NAMES,
    "NAME": _NAMES,
    "--params": _JSON,
    "--param": _SPECS,
    "--space": tuple(f"space{n}.{ending}" for ending in ("yaml", "toml", "json") for n in range(9)),
    "--template": tuple(f"template{n}" for n in range(len(_TEMPLATES))),
    "--sampler": (
        "tpe", "random", "nsgaii", "optuna.RandomSampler", "optuna.TPESampler", "optuna.No", "os:system", "json.decoder:X",
    ),
    "KEY=JSON": (
        "k=1", 'k="a"', "k=[1,2]", "k=NaN", 'k={"a":{}}', "n_startup_trials=3", "seed=1", "k=" + "[" * 900, 'k="\\ud800"',
    ),
    "NAME=NUMBER": ("c=-1", "c=0", "c=nan", "c=1e999", "ü=1", "=1"),
    "NUMBER": ("0", "1", "2", "3", "4", "5", "6", "99"),
    "VALUE": ("0.5", "-0.5", "1e-300", "nan", "inf", "12e3", "7"),
    "STEP": ("0", "1", "2", "10"),
    "K": ("1", "2", "3"),
    "PID": (str(os.getpid()), "1", "4194304"),
    "DURATION": ("1s", "5m", "250ms", "0.2", "1d"),
    "--format": ("json", "sh", "csv", "jsonl", "table", "text"),
    "--states": ("complete", "running,waiting", "fail", "complete,complete", ","),
    "--reason": ("oom", "mine", "owner-died"),
    "--lock-file": ("space0.yaml", "zero", "folder"),
}
# fmt: on


def lay_out(folder: Path, random: Random) -> None:
    """The files that the texts speak of."""
    for name, data in _journals(str(folder.parent / "made")).items():
        (folder / name).write_bytes(data)
    for ending, texts in (("yaml", _YAML), ("toml", _TOML), ("json", tuple(f'{{"params": {text}}}' for text in _JSON))):
        for number in range(9):
            (folder / f"space{number}.{ending}").write_bytes(random.choice(texts).encode("utf-8", "surrogatepass"))
    for number, text in enumerate(_TEMPLATES):
        (folder / f"template{number}").write_text(text, encoding="utf-8")
    (folder / "folder").mkdir()
    os.symlink("/dev/zero", folder / "zero")
    os.symlink("nowhere", folder / "dangling")


@cache
def _journals(place: str) -> dict[str, bytes]:
    from pathlib import Path

    folder = Path(place)
    folder.mkdir()
    one, two, steering = folder / "study.journal", folder / "two.journal", folder / "steering.journal"
    journals.make(one, 1)
    for name, directions in (("one", None), ("two", ["minimize", "maximize"])):
        study = create(two, name=name, space=space_from_params({"x": "float(0, 1)", "c": "a | b"}), directions=directions)
        tell(study, ask(study).number, [0.5] if directions is None else [0.5, 1])
        study.close()
    _steer(steering)
    whole = one.read_bytes()
    return {
        one.name: whole,
        two.name: two.read_bytes(),
        steering.name: steering.read_bytes(),
        "damaged.journal": whole[:900] + STEER.encode() + whole[905:],
        "empty.journal": b"",
    }


def _steer(path: Path) -> None:
    """By a program that is not ours: every name, value and reason would steer a terminal."""
    choices = json.dumps({"name": "CategoricalDistribution", "attributes": {"choices": ["a", STEER]}})
    ended = {"state": 3, "datetime_complete": journals.WHEN}
    journals.append(
        path,
        journals.stock_line(0, study_name=f"s{STEER}", directions=[1]),
        journals.stock_line(2, study_id=0, user_attr={STEER: STEER}),
        journals.stock_line(4, study_id=0, datetime_start=journals.WHEN, distributions={STEER: choices}, params={STEER: 1}),
        journals.stock_line(8, trial_id=0, user_attr={"fail_reason": STEER}),
        journals.stock_line(8, trial_id=0, user_attr={STEER: "line\nline"}),
        journals.stock_line(6, trial_id=0, values=None, **ended),
        journals.stock_line(4, study_id=0, datetime_start=journals.WHEN, state=1, value=0.5, datetime_complete=journals.WHEN),
        journals.stock_line(9, trial_id=1, system_attr={"constraints": [1.0]}),
        journals.stock_line(4, study_id=0, datetime_start=None, state=4, system_attrs={"fixed_params": {STEER: STEER}}),
    )
