"""The bytes of a journal (append, read, lock, mend) and what they say (records, replay, snapshot): nobody else touches the file.

Change how something is done here, never what a journal's bytes mean: old journals and stock Optuna are read and written by it.
"""
