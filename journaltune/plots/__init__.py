"""Pictures of a study and its page: Optuna's plots, over parameters as the user declared them."""
