"""What a run tells whoever shows it."""

from __future__ import annotations

from journaltune.base.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    from journaltune.run.outcome import Outcome

    class Listener(Protocol):
        """Who shows how a run goes."""

        def ended(self, ended: Ended) -> None: ...

        def note(self, text: str) -> None: ...

        def look(self, progress: Progress) -> float:
            """Show how far it is; after how many seconds again."""
            ...

        def redraw(self) -> None: ...


class Ended(Frozen):
    """An attempt at a trial that ended; ``n_finished`` trials have by then. ``next_attempt``: it failed, and is made again.

    ``is_best``: no trial before was better. ``stderr``: what a failed one wrote there last.
    """

    number: int
    attempt: int
    params: dict[str, Any]
    outcome: Outcome
    wall_s: float
    n_finished: int
    next_attempt: int | None = None
    is_best: bool = False
    stderr: list[str] | None = None


class Progress(Frozen):
    """How far a study is. ``n_ended_here`` trials of this run took ``elapsed_s`` seconds; ``best`` is a value and a number."""

    n_finished: int
    n_trials: int | None
    n_running: int
    reasons: dict[str, int]
    best: tuple[float, int] | None
    n_ended_here: int
    elapsed_s: float
    stopping: str
