"""What ``scripts/bench`` runs: each row of the speed table measured beside Optuna and Rustuna, interleaved, on one machine."""
