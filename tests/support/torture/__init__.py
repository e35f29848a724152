"""What the suites of tests/torture share: runs and their tally, processes to spoil, journals, clients, the checker."""
