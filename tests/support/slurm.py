"""A Slurm of one node and of a test's own: munged, slurmctld and slurmd on loopback, for root alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from listening import free_port, listening

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAMS = ("munged", "slurmctld", "slurmd", "srun", "sinfo")
_START_S = 60
# slurmctld asks each srun once in a third of this. Every 30 s it ends the jobs whose srun is silent for 4/3 of this and 11 s
# more: so long a test of a killed srun waits.
_INACTIVE_S = 4

_CONF = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={control_port}
SlurmdPort={node_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
KillWait=2
InactiveLimit={inactive_s}
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} State=UNKNOWN
PartitionName=all Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def missing() -> str:
    """Why there can be no Slurm here; "" where it can be tried."""
    if os.geteuid() != 0:
        return "only root may start the daemons of Slurm"
    absent = [name for name in PROGRAMS if shutil.which(name) is None]
    return f"this machine has no {', '.join(absent)}" if absent else ""


@contextmanager
def slurm() -> Iterator[dict[str, str]]:
    """The environment in which ``srun`` finds it, once its node is idle. RuntimeError where that does not come."""
    with TemporaryDirectory(prefix="jt-slurm-") as name, ExitStack() as daemons:
        folder, control_port = Path(name), free_port()
        host = os.uname().nodename.partition(".")[0]
        numbers = {"control_port": control_port, "node_port": free_port(), "inactive_s": _INACTIVE_S}
        conf = folder / "slurm.conf"
        conf.write_text(_CONF.format(host=host, folder=folder, cores=os.cpu_count(), **numbers), encoding="ascii")
        (folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n", encoding="ascii")  # read at its start, and not used
        for each in ("state", "spool"):
            (folder / each).mkdir()
        (folder / "key").touch(mode=0o400)
        (folder / "key").write_bytes(os.urandom(128))
        env, log = {**os.environ, "SLURM_CONF": str(conf)}, daemons.enter_context((folder / "log").open("ab"))
        munge = [f"--{key}={folder}/munge.{key.partition('-')[0]}" for key in ("socket", "pid-file", "log-file", "seed-file")]
        key = f"--key-file={folder}/key"
        daemons.enter_context(_daemon(["munged", "--foreground", "--force", key, *munge], env, log))
        _wait(lambda: (folder / "munge.socket").exists(), folder)
        command = ["slurmctld", "-D", "-f", str(conf)]
        daemons.enter_context(listening(command, control_port, env=env, stdout=log, stderr=log))
        daemons.enter_context(_daemon(["slurmd", "-D", "-f", str(conf)], env, log))
        idle = ["sinfo", "--noheader", "--format=%T"]
        _wait(lambda: subprocess.run(idle, env=env, capture_output=True, text=True).stdout == "idle\n", folder)
        yield env


@contextmanager
def _daemon(command: list[str], env: dict[str, str], log: object) -> Iterator[None]:
    with subprocess.Popen(command, env=env, stdout=log, stderr=log) as process:  # type: ignore[call-overload]
        try:
            yield
        finally:
            process.terminate()


def _wait(condition: object, folder: Path) -> None:
    deadline = time.monotonic() + _START_S
    while not condition():  # type: ignore[operator]
        if time.monotonic() > deadline:
            raise RuntimeError((folder / "log").read_text(encoding="utf-8", errors="replace")[-2000:])
        time.sleep(0.05)
