"""Trainers that have to be ended: too slow, too large, deaf, with children of their own; and what counts as why."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest
from running import SHORT_GRACE, Runs, X, until

from journaltune.run import processes

BIG = 120_000_000


class TestTime:
    @pytest.mark.parametrize("body", ["forever()", "ignore(); forever()", "os.kill(os.getpid(), signal.SIGSTOP)"])
    def test_a_trainer_that_hangs_is_ended(self, runs: Runs, body: str) -> None:
        runs.code = SHORT_GRACE
        said = runs.ran("-n", "2", "--trial-timeout", "700ms", "--", *runs.trainer(f"if number == 0: {body}\nprint(number)"), X)
        assert runs.outcomes() == ["timeout", 1.0]
        assert "and --trial-timeout allows 700ms" in said
        assert runs.none_is_left()

    def test_its_workers_are_gone_before_the_next_trial_has_the_slot(self, runs: Runs) -> None:
        body = """
if number == 0:
    [fork(forever) for _ in range(3)]
    fork(lambda: (ignore(), forever()))
    daemon(forever)
    forever()
pids = {mark.split("-")[0] for mark in os.listdir(here_)} - {str(os.getpid())}
left = [pid for pid in pids if os.path.exists(f"/proc/{pid}")]
print(len(left))
"""
        runs.ran("-n", "2", "--trial-timeout", "1s", "--", *runs.trainer(body), X)
        assert runs.outcomes() == ["timeout", 0.0]
        assert runs.seen() == 7

    def test_a_result_in_time_counts_whatever_a_child_does(self, runs: Runs) -> None:
        runs.ran("-n", "3", "--trial-timeout", "30s", "--", "sh", "-c", "sleep 99 & echo 0.5", X)
        assert runs.outcomes() == [0.5] * 3

    def test_a_share_of_the_median_counts_once_three_are_complete(self, runs: Runs) -> None:
        body = "if number == 1: time.sleep(1.2)\nif number == 3: forever()\ntime.sleep(0.3); print(number)"
        runs.ran("-n", "5", "--trial-timeout", "300%", "--", *runs.trainer(body), X)
        assert runs.outcomes() == [0.0, 1.0, 2.0, "timeout", 4.0]

    def test_the_time_of_the_whole_run_starts_nothing_more(self, runs: Runs) -> None:
        runs.ran("--timeout", "1s", "--", *runs.trainer("time.sleep(0.4); print(number)"), X)
        assert 1 <= len(runs.trials()) <= 4
        assert runs.outcomes() == [float(number) for number in range(len(runs.trials()))]


class TestMemory:
    def test_a_leak_is_ended_with_all_its_processes(self, runs: Runs) -> None:
        body = f"if number == 0:\n    x = bytearray({BIG}); fork(lambda: (bytearray({BIG}), forever())); forever()\nprint(1)"
        said = runs.ran("-n", "2", "--memory", "150M", "--", *runs.trainer(body), X)
        assert runs.outcomes() == ["oom", 1.0]
        assert "and --memory allows 150 MiB" in said
        assert runs.none_is_left()
        assert runs.trials()[0].system_attrs["journaltune:usage"]["peak_bytes"] > 150 << 20

    def test_a_daemons_memory_is_its_trainers(self, runs: Runs) -> None:
        body = f"daemon(lambda: (globals().update(x=bytearray({BIG})), forever()))\nforever()"
        runs.ran("-n", "1", "--memory", "100M", "--", *runs.trainer(body), X)
        assert runs.outcomes() == ["oom"]
        assert runs.none_is_left()

    def test_pages_that_forked_workers_share_count_once(self, runs: Runs) -> None:
        body = f"x = bytearray({BIG})\nfor _ in range(3): fork(lambda: time.sleep(1))\ntime.sleep(1); print(1)"
        runs.ran("-n", "1", "--memory", "250M", "--", *runs.trainer(body), X)
        assert runs.outcomes() == [1.0]
        assert BIG < runs.trials()[0].system_attrs["journaltune:usage"]["peak_bytes"] < 2 * BIG

    def test_a_large_runners_size_is_not_its_trainers(self, runs: Runs) -> None:
        runs.code = "x = bytearray(300_000_000)"
        runs.ran("-n", "2", "--", "sh", "-c", "sleep 0.$JT_TRIAL; echo 1", X)
        peaks = [trial.usage.get("peak_bytes") for trial in runs.trials() if trial.usage]
        assert len(peaks) == 2
        assert all(peak is None or 500_000 < peak < 20_000_000 for peak in peaks)

    def test_with_too_little_memory_free_one_trial_runs_at_a_time(self, runs: Runs) -> None:
        body = "n = len([m for m in os.listdir(here_) if os.path.exists(f'/proc/' + m.split('-')[0])]); time.sleep(0.2); print(n)"
        runs.ran("-n", "4", "-j", "4", "--memory-free", "100T", "--", *runs.trainer(body), X)
        assert runs.outcomes() == [1.0] * 4

    def test_with_enough_free_they_run_at_once(self, runs: Runs) -> None:
        body = "open(f'up{number}', 'w').close()\nuntil('up0'); until('up1')\nprint(number)"
        runs.ran("-n", "2", "-j", "2", "--memory-free", "1M", "--", *runs.trainer(body), X)
        assert runs.outcomes() == [0.0, 1.0]

    def test_a_kill_while_the_kernel_killed_for_memory_is_oom(self, runs: Runs) -> None:
        runs.code = """
import itertools
from journaltune.run import children, verdict
counts = itertools.count()
children.oom_kills = verdict.oom_kills = lambda: next(counts)
"""
        kill = "os.kill(os.getpid(), signal.SIGKILL if number == 0 else signal.SIGTERM) if number != 2 else sys.exit(137)"
        runs.ran("-n", "3", "--", *runs.trainer(kill), X)
        assert runs.outcomes() == ["oom", "signal", "oom"]

    def test_the_status_by_which_a_launcher_passes_a_signal_on_counts_as_one(self, runs: Runs) -> None:
        end = "sys.exit([128 + signal.SIGSEGV, 128, 255][number])"
        runs.ran("-n", "3", "--", *runs.trainer(end), X)
        assert runs.outcomes() == ["signal", "exit", "exit"]
        assert "SIGSEGV" in runs.trials()[0].user_attrs["fail_message"]


class TestSignals:
    def test_a_terminated_runner_ends_its_trainers_and_gives_its_trials_back(self, runs: Runs) -> None:
        body = "if number == 1: ignore()\nif number == 2: daemon(forever)\n"
        body += "if number < 3 and attempt == 1: forever()\nprint(number)"
        runs.code = SHORT_GRACE
        started = runs.start("-n", "6", "-j", "3", "--retries", "2", "--", *runs.trainer(body), X)
        until(lambda: runs.seen() == 4)
        started.terminate()
        said = started.communicate()[1]
        assert started.returncode == 128 + signal.SIGTERM
        assert runs.none_is_left()
        assert runs.seen() == 4, "nothing starts after it, no new trial and no other attempt"
        assert "3 to be made again" in said
        assert runs.outcomes() == ["running"] * 3
        runs.ran("-n", "4")
        assert runs.outcomes() == [0.0, 1.0, 2.0, 3.0]

    def test_a_trainer_that_finishes_when_it_is_asked_to_end_is_recorded(self, runs: Runs) -> None:
        body = "signal.signal(signal.SIGTERM, lambda *_: (print(7), sys.exit(0))); open('ready', 'w').close(); forever()"
        started = runs.start("-n", "3", "--", *runs.trainer(body), X)
        until((runs.folder / "ready").exists)
        started.terminate()
        started.communicate()
        assert runs.outcomes() == [7.0]

    @pytest.mark.parametrize("ignored", ["INT", "HUP", "CHLD"])
    def test_signals_that_were_ignored_stay_so_but_for_those_of_children(self, runs: Runs, ignored: str) -> None:
        """Started with & by a script, by nohup, and by a program that does not wait for its children."""
        command = ["sh", "-c", f"trap '' {ignored}; exec \"$@\"", "sh"]
        body = "print(*[signal.getsignal(s) == signal.SIG_IGN for s in (signal.SIGINT, signal.SIGHUP)]); until('go'); sys.exit(5)"
        started = subprocess.Popen(
            [*command, *runs.command("run", "-n", "1", "--", *runs.trainer(body), X)], cwd=runs.folder, stderr=subprocess.PIPE
        )
        runs.started.append(started)  # type: ignore[arg-type]
        until(lambda: runs.seen() == 1)
        if ignored != "CHLD":
            started.send_signal(getattr(signal, f"SIG{ignored}"))
        (runs.folder / "go").touch()
        assert started.wait() == 0
        assert runs.outcomes() == ["exit"]
        assert runs.printed(0) == f"{ignored == 'INT'} {ignored == 'HUP'}\n"

    def test_the_pipe_that_progress_goes_to_may_break(self, runs: Runs) -> None:
        command = " ".join(f"'{word}'" for word in runs.command("run", "-n", "8", "--", *runs.trainer("print(number)"), X))
        subprocess.run(["bash", "-c", f"{command} 2>&1 >/dev/null | head -1"], cwd=runs.folder, capture_output=True, check=True)
        assert runs.outcomes() == [float(number) for number in range(8)]

    def test_children_of_the_shell_that_became_the_program_are_not_ended(self, runs: Runs) -> None:
        command = " ".join(f"'{word}'" for word in runs.command("run", "-n", "1", "--", *runs.trainer("print(1)"), X))
        script = f"sleep 1000 >/dev/null 2>&1 & echo $!; exec {command} 2>/dev/null"
        printed = subprocess.run(["sh", "-c", script], cwd=runs.folder, stdout=subprocess.PIPE, text=True, check=True).stdout
        other = int(printed.split()[0])
        assert not processes.is_gone(other)
        os.kill(other, signal.SIGKILL)


class TestOthers:
    """What other people do to the trials of a run meanwhile."""

    def test_a_trial_that_is_told_as_failed_is_ended(self, runs: Runs) -> None:
        started = runs.start("-n", "1", "--", *runs.trainer("forever()"), X)
        until(lambda: runs.seen() == 1)
        runs.call("tell", "0", "--state", "fail", "--reason", "hopeless")
        assert started.wait() == 0
        assert runs.outcomes() == ["hopeless"]
        assert runs.none_is_left()

    def test_a_trainer_that_tells_its_trial_itself_may_finish(self, runs: Runs) -> None:
        runs.code = "from journaltune.run import trainers; trainers._JOURNAL_S = 0.1"
        body = "until('go'); time.sleep(0.5); open('finished', 'w').close()"
        started = runs.start("-n", "1", "--", *runs.trainer(body), X)
        until(lambda: runs.seen() == 1)
        runs.call("tell", "0", "4")
        (runs.folder / "go").touch()
        assert started.wait() == 0
        assert runs.outcomes() == [4.0]
        assert (runs.folder / "finished").exists()

    def test_a_study_that_is_deleted_ends_its_run(self, runs: Runs) -> None:
        started = runs.start("-n", "1", "--", *runs.trainer("forever()"), X)
        until(lambda: runs.seen() == 1)
        runs.call("delete", "study")
        assert started.wait() == 3
        assert "was deleted" in started.communicate()[1]
        assert runs.none_is_left()

    def test_enqueued_parameters_come_first(self, runs: Runs) -> None:
        train = runs.trainer("print(env['JT_x'])")
        runs.ran("-n", "1", "--", *train, X)
        runs.call("enqueue", "--params", '{"x": 0.125}')
        runs.ran("-n", "2")
        assert runs.outcomes()[1] == 0.125


def test_a_process_that_can_not_be_ended_is_reported_and_its_slot_not_used_again(runs: Runs) -> None:
    """A process in an uninterruptible wait, as far as signals are concerned."""
    runs.code = """
from journaltune.run import children, processes
children._UNKILLABLE_S = children.GRACE_S = 0.3
real_group, real_send = processes.send_group, processes.send
def spared():
    try:
        return int(open("deaf").read())
    except (OSError, ValueError):
        return 0
processes.send_group = lambda group, signal: True if group == spared() else real_group(group, signal)
processes.send = lambda pids, signal: real_send([pid for pid in pids if pid != spared()], signal)
real_bury = processes.bury
processes.bury = lambda spare=(), within_s=5.0: real_bury(spare, 0.1)
"""
    body = "if number == 0: open('deaf', 'w').write(str(os.getpid())); forever()\n"
    body += "print(number, env['JT_SLOT'], file=sys.stderr); print(number)"
    done = runs.call("run", "-n", "4", "-j", "2", "--trial-timeout", "500ms", "--", *runs.trainer(body), X)
    assert "of trial 0 can't be ended, so slot 0 is not used again" in done.stderr
    assert runs.outcomes() == ["timeout", 1.0, 2.0, 3.0]
    assert [(runs.folder_of(n) / "stderr.log").read_text().split()[1] for n in (1, 2, 3)] == ["1"] * 3
    assert done.returncode == 0
