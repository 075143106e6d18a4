"""Scripts that produce every number in the README, each into `results/`."""
