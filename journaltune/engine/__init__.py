"""The verbs that change a study, one a file: lock, sync, decide, append, read back. A command imports its verb."""
