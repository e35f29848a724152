# How do I tell errors apart in Python?
import journaltune

study = journaltune.create_study("study.journal", params={"x": "float(0, 1)"})
trial = study.ask()
study.tell(trial, 0.25)
exit_codes = []

# Each error is a JournaltuneError, and has the exit code that a command would have.
try:
    study.tell(trial, 0.5)
except journaltune.ConflictError as error:
    print(error)
    exit_codes.append(error.exit_code)

# The end of a search is one of them.
try:
    study.ask(max_trials=1)
except journaltune.ExhaustedError as end:
    exit_codes.append(end.exit_code)

assert exit_codes == [4, 11]
assert issubclass(journaltune.ConflictError, journaltune.JournaltuneError)
assert study.best_value == 0.25
