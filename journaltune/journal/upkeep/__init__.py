"""check, repair and compact: a journal at rest. What `ask` and `tell` need is in journal/."""
