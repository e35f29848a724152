"""Entry of ``scripts/torture``: puts the folder above this package, and nothing else, where imports are looked for."""

import sys
from pathlib import Path

# In place of this folder itself, whose module names (`table`, `history`) must not hide anybody else's.
sys.path[0] = str(Path(__file__).resolve().parents[1])

from tortures.command import main  # noqa: E402

sys.exit(main(sys.argv[1:]))
