"""Lines into a state: decoding, checking and applying them one by one, and naming the first that can't be."""

from __future__ import annotations

import gc

from journaltune.base.errors import JournalDamagedError
from journaltune.journal import records
from journaltune.journal.deferred import defer
from journaltune.journal.replay import apply

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from journaltune.journal.state import JournalState, LiveTrial


_TOO_DEEP = 250  # nothing of ours is nested half as deeply
_MISPLACED = "a record that was written for an earlier place: lines were moved, doubled or put in by hand"
_UNDO = "undo that, or take a copy of the file from before; `journaltune repair` mends only what disks and crashes do"


class Fold:
    """Applies lines one by one, checks their checksums, and notes what became of the lines that it watches for."""

    __slots__ = ("_at", "_chain", "_own", "_own_end", "_path", "_reader", "_thorough", "effects", "offset", "state", "watch")

    def __init__(
        self, path: str, reader: records.RecordReader, state: JournalState, chain: records.Chain, *, thorough: bool = False
    ) -> None:
        self._path, self._reader, self.state, self._chain = path, reader, state, chain
        self._thorough = thorough  # decode every record at once, also where its checksums are right
        self.watch: list[bytes] = []
        self.effects: list[Any] = []
        self.offset = self._at = self._own = self._own_end = 0

    def feed(self, data: bytes, offset: int) -> None:
        """Apply whole lines that begin at ``offset``; ``self.offset`` is the end of the last line that was applied."""
        self.offset = offset
        collecting = gc.isenabled()
        try:
            gc.disable()  # a long replay makes many objects and no garbage cycles; the collector takes a third of its time
            self._feed(data)
        finally:
            if collecting:
                gc.enable()

    def _feed(self, data: bytes) -> None:
        for line in data.split(b"\n")[:-1]:
            self.line(line)

    def line(self, line: bytes) -> None:
        """Apply the line at ``self.offset``, without its newline. JournalDamagedError leaves the offset before it."""
        if not self._thorough and self._chain.value is not None and line[-26:-18] == records.SEAL:
            own = records.own_sum(line)
            if line[-18:] == b'%08x%08x"}' % (own, self._chain.value) and not self.watch:
                if defer(self.state, self._reader, line, (self._path, self.offset)) is None:
                    self._apply(line, self.offset, sealed=False)
                self._chain.pass_own(line, self.offset, own)
                self.offset += len(line) + 1
                return
        end, text = self.offset + len(line) + 1, line
        if line[:1] == b" ":
            text = line.lstrip(b" ")
            self._chain.pass_blanks(self.offset, end - 1 - len(text))
        sealed = records.is_sealed(text)
        if records.is_misspelt(text):
            what = "a record whose checksums were changed after it was written"
            raise JournalDamagedError(self._path, end - 1 - len(text), what)
        if records.is_trailed(text):
            raise JournalDamagedError(self._path, end - 1 - len(text), "white space behind a record, which hides its checksums")
        tied = self._chain.value is not None and text[-10:-2] == b"%08x" % self._chain.value
        effect = self._apply(text, end - 1 - len(text), sealed=sealed)
        place = end - 1 - len(text) if tied else self._at  # like the fast path, which ignores `at`
        if self.watch and text in self.watch:
            self.effects.append(effect)
        if sealed:
            self._chain.pass_own(text, place, self._own)
            self.pass_own(self._at, text)
        else:
            self._chain.pass_foreign(text, self.offset)
            if text[-1:] == b" ":  # `repair` removed these checksums because earlier bytes changed
                self._chain.lose(end)
        self.offset = end

    def _apply(self, text: bytes, start: int, *, sealed: bool) -> LiveTrial | bool:
        try:
            record = self._reader.decode(text)
            if sealed:
                self._check(text, record, start)
            return apply(self.state, record)
        except JournalDamagedError:
            raise
        except UnicodeDecodeError as error:
            raise JournalDamagedError(self._path, start + error.start, "bytes that are not UTF-8") from error
        except RecursionError as error:
            if _depth(text) < _TOO_DEEP:  # the record is whole: the caller was near the limit of recursion
                raise
            raise JournalDamagedError(self._path, start, "a record that is nested too deeply") from error
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, IndexError) as error:
            raise JournalDamagedError(self._path, start, _what(text, error)) from error

    def _check(self, text: bytes, record: Mapping[str, Any], start: int) -> None:
        self._at = record["jt"]["at"]
        own, link = records.sealed_sums(text)
        self._own = own
        if own != records.own_sum(text):
            raise JournalDamagedError(self._path, start, "a record whose checksum is wrong: it was changed after it was written")
        if link != self._chain.value:
            self.refuse_misplaced(self._at, start)
        if not self._chain.allows(link, self._at, start):
            what = "something before this record was changed after it was written: the checksum of what came before is wrong"
            raise JournalDamagedError(self._path, start, what)

    def refuse_misplaced(self, at: int, start: int) -> None:
        """JournalDamagedError where a record of ours that was written for ``at`` stands behind a later one, at ``start``."""
        if at < self._own_end:
            raise JournalDamagedError(self._path, start, _MISPLACED, _UNDO)

    def pass_own(self, at: int, text: bytes) -> None:
        """Note a record of ours: whatever bytes are lost, later ones were written for its end, or for a place behind."""
        self._own_end = max(self._own_end, at + len(text) + 1)


def _depth(text: bytes) -> int:
    """How deeply a record nests, or more where brackets stand in its texts."""
    depth = deepest = 0
    for byte in text:
        if byte in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"]}":
            depth -= 1
    return deepest


def _what(text: bytes, error: Exception) -> str:
    if not text:
        return "an empty line"
    if isinstance(error, KeyError):
        return f"a record without its field {error.args[0]!r}"
    shown = " ".join(str(error).split())[:80]
    return f"a line that is no record ({shown})"
