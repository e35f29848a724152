"""Samplers: (history, space, seed) to parameters. A new sampler is a file here and a row in ``registry``."""
