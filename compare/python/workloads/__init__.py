"""One file for each group of workloads."""
