"""Which result a trainer's output has: the sources in their order, strict numbers, a message that helps where there is none."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from journaltune.base.errors import UsageError
from journaltune.run import output, results
from journaltune.run.outcome import Outcome
from journaltune.run.placeholders import Filling


class Trainer:
    """What a trainer left: its stdout, and perhaps a result file."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.result = folder, folder / "result"
        self.fd = os.open(folder / "stdout.log", os.O_RDWR | os.O_CREAT | os.O_APPEND)
        self.output, self.reports = output.Output(self.fd), results.Reports()

    def prints(self, text: str | bytes) -> Trainer:
        os.write(self.fd, text if isinstance(text, bytes) else text.encode())
        return self

    def read(self, spec: str | None = None, n: int = 1, began_ns: int = 0) -> tuple[Outcome, str]:
        self.found = self.reports.read(self.output, ended=True)
        filling = Filling(3, 7, 1, 0, str(self.folder), "", {})
        attempt = results.Attempt(self.output, self.reports, str(self.result), filling, began_ns)
        return results.read(attempt, None if spec is None else results.result_source(spec), n)

    def values(self, *arguments: Any, **named: Any) -> list[float] | None:
        outcome, _ = self.read(*arguments, **named)
        assert (outcome.values is None) == (outcome.state != "complete")
        return outcome.values

    def message(self, *arguments: Any, **named: Any) -> str:
        outcome, _ = self.read(*arguments, **named)
        assert (outcome.state, outcome.reason) == ("fail", "result")
        return str(outcome.message)


@pytest.fixture
def trainer(tmp_path: Path) -> Iterator[Trainer]:
    made = Trainer(tmp_path)
    yield made
    os.close(made.fd)


def test_the_file_goes_before_the_marked_line_and_that_before_the_last_line(trainer: Trainer) -> None:
    trainer.prints('[journaltune] {"value": 2}\n3\n')
    assert trainer.read() == (Outcome("complete", [2.0]), "the last line [journaltune] {...}")
    trainer.result.write_text("1\n")
    assert trainer.read() == (Outcome("complete", [1.0]), "the file $JT_RESULT")


def test_the_last_line_that_is_not_blank_counts_if_it_holds_numbers_only(trainer: Trainer) -> None:
    assert trainer.prints("epoch 3\n0.25\n\n  \n").read() == (Outcome("complete", [0.25]), "the last line of stdout")
    assert trainer.prints("0.5 12e3").values(n=2) == [0.5, 12000.0]
    assert "not a number" in trainer.prints("\nsaved model.bin\n").message()


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("0.5", 0.5),
        ("  -1e-3  ", -1e-3),
        ("+.5", 0.5),
        ("5.", 5.0),
        ("7", 7.0),
        ("inf", float("inf")),
        ("-Infinity", float("-inf")),
        ("12%|#   | 1/9\r 0.25", 0.25),
        ("0.25\r", 0.25),
        ("\x1b[32m0.25\x1b[0m", 0.25),
        ("\x1b]0;title\x070.25", 0.25),
        *(
            (text, None)
            for text in ("1_000", "٣", "1e400", "[1] 0.5", "tensor(0.5)", "93.4%", "0,5", "1.5D+00", "0x10", "0.5.", "e5")
        ),
        *((text, None) for text in ("loss 0.5", "infinite", "nano", ".", "+", "1 e5 x")),
    ],
)
def test_a_number_is_what_printf_awk_and_python_print(trainer: Trainer, line: str, value: float | None) -> None:
    assert trainer.prints(f"{line}\n").values() == (None if value is None else [value])


@pytest.mark.parametrize("text", ["nan", "-nan", "NaN"])
def test_nan_is_a_failure_of_its_own(trainer: Trainer, text: str) -> None:
    outcome, _ = trainer.prints(text).read()
    assert (outcome.state, outcome.reason, outcome.values) == ("fail", "nan", None)


def test_an_earlier_number_is_never_taken(trainer: Trainer) -> None:
    assert "SPS: 1234" in trainer.prints("0.5\nSPS: 1234\n").message()


def test_another_count_of_numbers_is_no_result(trainer: Trainer) -> None:
    assert "1 objective(s), and the result has 2 value(s): 0.5 0.6" in trainer.prints("0.5 0.6").message()


def test_a_file_holds_a_number_or_json_of_that_shape(trainer: Trainer) -> None:
    trainer.result.write_text(json.dumps({"value": "inf", "constraints": {"size": 1.5}, "attrs": {"epochs": 3}}))
    outcome, _ = trainer.read()
    assert (outcome.values, outcome.constraints, outcome.user_attrs) == ([float("inf")], {"size": 1.5}, {"epochs": 3})
    trainer.result.write_text('{"values": [1, 2.5]}')
    assert trainer.values(n=2) == [1.0, 2.5]
    trainer.result.write_text("1 2.5\n")
    assert trainer.values(n=2) == [1.0, 2.5]


def test_a_trainer_may_say_that_it_was_pruned_or_failed(trainer: Trainer) -> None:
    trainer.prints("0.5\n")
    for told, state, reason, values in (
        ({"state": "pruned"}, "pruned", None, None),
        ({"state": "pruned", "value": 2}, "pruned", None, [2.0]),
        ({"state": "fail"}, "fail", None, None),
        ({"state": "fail", "reason": "diverged", "attrs": {"a": 1}}, "fail", "diverged", None),
    ):
        trainer.result.write_text(json.dumps(told))
        outcome, _ = trainer.read()
        assert (outcome.state, outcome.reason, outcome.values) == (state, reason, values)


@pytest.mark.parametrize(
    "text",
    [
        "",
        '{"value": 0.',
        "0.5 and more",
        "[0.5]",
        '"0.5"',
        "{}",
        '{"value": null}',
        '{"value": true}',
        '{"value": "high"}',
        '{"value": 1, "loss": 2}',
        '{"value": 1, "state": "done"}',
        '{"value": 1, "constraints": {"size": "nan"}}',
        '{"values": [1, 2]}',
        '{"state": "complete"}',
        "\0\0\0",
        "[" * 100_000,
    ],
)
def test_a_file_that_is_cut_off_or_wrong_fails_whatever_was_printed(trainer: Trainer, text: str) -> None:
    trainer.prints("0.5\n")
    trainer.result.write_text(text)
    assert "$JT_RESULT" in trainer.message() or "can't be recorded" in trainer.message() or "objective(s)" in trainer.message()


def test_what_is_not_a_regular_file_is_no_result_file(trainer: Trainer) -> None:
    trainer.prints("0.5\n")
    for make in (lambda path: os.mkfifo(path), lambda path: os.mkdir(path), lambda path: os.symlink("/dev/null", path)):
        make(trainer.result)
        assert trainer.values() == [0.5]
        trainer.result.unlink() if not trainer.result.is_dir() else trainer.result.rmdir()


def test_the_last_marked_line_with_a_result_counts_and_reports_are_none(trainer: Trainer) -> None:
    trainer.prints('[journaltune] {"value": 1}\n[journaltune] {"step": 1, "value": 0.5}\n[journaltune] {"value": 2}\n')
    trainer.prints('x [journaltune] {"value": 9}\n50%\r[journaltune] {"step": 2, "value": "nan"}\n')
    trainer.prints('\x1b[0m[journaltune] {"step": 3, "value": 1}')
    assert trainer.values() == [2.0]
    assert [step for step, _ in trainer.found] == [1, 2, 3]


@pytest.mark.parametrize(
    "line", ["{value: 1}", "[1]", '{"step": -1, "value": 1}', '{"step": 1.5, "value": 1}', '{"step": 1}', "{"]
)
def test_a_malformed_marked_line_is_named(trainer: Trainer, line: str) -> None:
    assert f"[journaltune] {line} is not a JSON object" in trainer.prints(f"[journaltune] {line}\nbye\n").message()


def test_marked_lines_are_found_as_they_come_whatever_the_pieces(trainer: Trainer) -> None:
    text = 'epoch 1\n[journaltune] {"step": 1, "value": 0.5}\nx' + "y" * 100 + '\n[journaltune] {"step": 2, "value": 0.25}\n'
    found = []
    for char in text:
        trainer.prints(char)
        found += trainer.reports.read(trainer.output)
    assert found == [(1, 0.5), (2, 0.25)]


def test_megabytes_without_a_newline_are_read_once_and_not_kept(trainer: Trainer) -> None:
    trainer.prints(b"x" * (5 << 20))
    assert trainer.reports.read(trainer.output) == []
    assert len(trainer.output._carry) <= output.TAIL_BYTES
    trainer.prints('[journaltune] {"step": 9, "value": 9}\n[journaltune] {"step": 1, "value": 1}\n0.5')
    assert trainer.reports.read(trainer.output) == [(1, 1.0)]
    assert trainer.values() == [0.5]


def test_output_that_the_trainer_truncates_is_read_from_its_beginning(trainer: Trainer) -> None:
    trainer.prints("a" * 1000 + "\n")
    assert trainer.reports.read(trainer.output) == []
    os.ftruncate(trainer.fd, 0)
    assert trainer.prints('[journaltune] {"step": 1, "value": 1}\n').reports.read(trainer.output) == [(1, 1.0)]


def test_an_attempt_sees_its_own_output_only(trainer: Trainer) -> None:
    trainer.prints('0.5\n[journaltune] {"value": 1}\n')
    trainer.output = output.Output(trainer.fd, os.fstat(trainer.fd).st_size)
    assert "nothing was printed" in trainer.message()


def test_a_pattern_takes_its_last_match(trainer: Trainer) -> None:
    trainer.prints("loss=0.5\nloss=0.4, acc=1 loss=0.3,\n50% loss=0.2\rloss=0.1\nbye\n")
    assert trainer.read(r"regex:loss=(\S+)") == (Outcome("complete", [0.1]), r"--result regex:loss=(\S+)")
    assert trainer.values(r"regex:loss=(\S+), acc=(\S+)", n=2) == [0.4, 1.0]
    assert "no line of stdout matches" in trainer.message(r"regex:error=(\S+)")
    assert "which is not a number" in trainer.message(r"regex:(bye)")


def test_a_pattern_is_found_across_the_pieces_in_which_a_file_is_read(trainer: Trainer) -> None:
    trainer.prints(b"z" * ((1 << 20) - 30) + b"\nloss=0.75\n" + b"y" * (1 << 20) + b"\nlast\n")
    assert trainer.values(r"regex:^loss=(\S+)$") == [0.75]


def test_a_json_file_is_read_by_key_or_path_of_keys(trainer: Trainer) -> None:
    (trainer.folder / "m.json").write_text('{"loss": 0.5, "val": {"acc": "0.9"}, "a.b": 3}')
    assert trainer.values("json:{dir}/m.json#loss") == [0.5]
    assert trainer.values("json:{dir}/m.json#a.b,val.acc", n=2) == [3.0, 0.9]
    assert "has no key val.loss" in trainer.message("json:{dir}/m.json#val.loss")
    assert "there is no file" in trainer.message("json:{dir}/other.json#loss")


def test_a_json_file_of_an_earlier_trial_does_not_count(trainer: Trainer) -> None:
    path = trainer.folder / "m.json"
    path.write_text('{"loss": 0.5}')
    os.utime(path, ns=(10**9, 10**9))
    assert trainer.values("json:{dir}/m.json#loss", began_ns=10**9) == [0.5]
    assert "was written before the trial began" in trainer.message("json:{dir}/m.json#loss", began_ns=2 * 10**9)


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("loss", "write regex:PATTERN"),
        ("regex:", "write regex:PATTERN"),
        ("regex:loss=\\S+", "has no group"),
        ("regex:(", "not a regular expression"),
        ("json:m.json", "json:PATH#KEY"),
        ("json:#loss", "json:PATH#KEY"),
        ("json:{dir/m.json#loss", "the closing }"),
    ],
)
def test_a_source_that_can_bring_nothing_is_refused(spec: str, says: str) -> None:
    with pytest.raises(UsageError) as refused:
        results.result_source(spec)
    assert says in str(refused.value)


def test_a_source_has_to_fit_the_objectives_and_parallel_trials() -> None:
    with pytest.raises(UsageError, match="has 1 groups for 2 objective"):
        results.result_source("regex:(.)").check(2, 1)
    with pytest.raises(UsageError, match="would write the same file"):
        results.result_source("json:m.json#loss").check(1, 2)
    results.result_source("json:m.json#loss").check(1, 1)
    results.result_source("json:{dir}/m.json#loss").check(1, 8)


def test_without_a_result_the_message_shows_the_end_and_ready_patterns(trainer: Trainer) -> None:
    trainer.prints(
        "Epoch 3 val_loss: 0.89, acc=0.9\n" + "".join(f"line {n}\n" for n in range(7)) + "Test set: Average loss: 0.02 (99%)\n\n"
    )
    message = trainer.message().splitlines()
    assert message[1:6] == [f"  | line {n}" for n in range(3, 7)] + ["  | Test set: Average loss: 0.02 (99%)"]
    assert message[7:] == [
        r"  --result 'regex:Average loss: (\S+)'",
        r"  --result 'regex:val_loss: (\S+)'",
        r"  --result 'regex:acc=(\S+)'",
    ]
    for line, value in zip(message[7:], (0.02, 0.89, 0.9), strict=True):
        assert trainer.values(line.split("'")[1]) == [value]
