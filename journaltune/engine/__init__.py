"""The verbs that change a study, one a file: lock, sync, decide, append, read back.

Whoever needs a verb imports it from its file; nothing else here is for other rooms, and a new verb is a new file.
"""
