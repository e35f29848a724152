"""check names damage, repair overwrites it in place, compact writes a shorter copy; `ask` and `tell` load nothing from here."""
