"""The Python face, shaped after Optuna's: what ``import journaltune`` offers. Each method checks its call and calls one verb.

Nothing is decided here, and no other room imports from here; behaviour that commands share belongs to the engine.
"""
