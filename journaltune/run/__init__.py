"""Running trials: in this process (``runners``), in forked children (``forked``), in the caller's executor (``runners``).

Another way to run trials is another ``Runner`` (see ``loop``) in ``runners`` or in a file beside it.
"""
