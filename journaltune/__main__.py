"""``python -m journaltune`` is the command ``journaltune``."""

from journaltune.cli import command

command()
