"""``python -m journaltune`` is the command ``journaltune``."""

import sys

from journaltune.cli import main

sys.exit(main())
