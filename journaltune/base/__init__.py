"""Words, plain data and checks for every room; nothing here imports another room, or touches a file.

Here itself: what the numbers in an Optuna journal stand for, states of trials and directions of objectives. Plain numbers, as a
``tell`` from the shell would pay for the import of ``enum``. ``model.TrialState`` is made of them.
"""

VERSION = "0.1.0"
SSH = "ssh://"  # how the name of a journal on another machine begins

STATES = range(5)
RUNNING, COMPLETE, PRUNED, FAIL, WAITING = STATES
FINISHED = (COMPLETE, PRUNED, FAIL)
STATE_NAMES = {RUNNING: "running", WAITING: "waiting", COMPLETE: "complete", PRUNED: "pruned", FAIL: "fail"}  # as listed

DIRECTIONS = range(3)
NOT_SET, MINIMIZE, MAXIMIZE = DIRECTIONS  # NOT_SET is Optuna's; everybody minimizes then


def counted(codes: bytes) -> dict[int, int]:
    """How often each byte is there; of a million a hundred times as fast as a set of them, which makes a number of each."""
    found: dict[int, int] = {}
    while codes:
        rest = codes.translate(None, codes[:1])
        found[codes[0]] = len(codes) - len(rest)
        codes = rest
    return found
