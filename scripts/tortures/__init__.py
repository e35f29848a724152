"""Journals broken in every way that is known, and counts of what is then lost, doubled or wrong; run by ``scripts/torture``."""

import os
import sys

# Some parts limit how large a file may grow, or kill processes while they start: either leaves torn bytecode behind, and Python
# believes it.
os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
sys.dont_write_bytecode = True
