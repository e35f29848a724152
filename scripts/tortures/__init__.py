"""Journals broken in every way that is known, and counts of what is then lost, doubled or wrong; run by ``scripts/torture``."""
