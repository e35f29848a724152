"""A Gaussian process on NumPy alone: where to try next, from the results so far.

``design`` makes the first trials. Then ``observations`` reads the history into rows, ``scale`` and ``axes`` know the parameters,
``outputs`` the scale of the results; ``kernel``, ``covariance``, ``posterior``, ``fit`` and ``model`` are the process;
``acquisition`` says what a trial is worth, ``optimiser`` finds the most worthy one, and ``proposal`` puts all together.
``recommend`` names the tried configuration that the process holds best, and ``gain`` says what it expects of more trials.
``habits`` keep what earlier studies were made with.

A suggestion is a pure function of the history, the space, the trial's number and its seeds. It hardly depends on how a processor
rounds: random numbers come from whole numbers, BLAS has one thread, and suggestions are rounded to 1e-4 of a range.
"""
