"""What the numbers in an Optuna journal stand for: states of trials, directions of objectives.

Plain numbers, because a ``tell`` from the shell would pay for the import of ``enum``. ``model.TrialState`` is made of them.
"""

STATES = range(5)
RUNNING, COMPLETE, PRUNED, FAIL, WAITING = STATES
FINISHED = (COMPLETE, PRUNED, FAIL)
STATE_NAMES = {RUNNING: "running", WAITING: "waiting", COMPLETE: "complete", PRUNED: "pruned", FAIL: "fail"}  # as listed

DIRECTIONS = range(3)
NOT_SET, MINIMIZE, MAXIMIZE = DIRECTIONS  # NOT_SET is Optuna's; everybody minimizes then
