"""The journal: Optuna's format, byte by byte. See ``journal.Journal``."""
