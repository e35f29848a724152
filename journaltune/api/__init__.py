"""The Python face, shaped after Optuna's. Whatever it promises is decided below."""
