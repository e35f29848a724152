"""What a trial is to try, as a pure function of what its ask saw. Nothing here writes."""
