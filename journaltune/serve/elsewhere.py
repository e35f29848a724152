"""A study whose journal is on another machine: read here from a mirror of the journal, changed by calls of the engine there.

One connection stays open, ``ssh HOST journaltune serve --stdio``. What this process asked for is the connection's own: where it
breaks, others may have it. This end connects again at its next call, and takes back what nobody took meanwhile, by the marks
in the records. A call whose answer was lost is made once more then: each that is repeated changes nothing.
"""

from __future__ import annotations

import os
from time import monotonic, sleep

from journaltune.base import checks
from journaltune.base.errors import MachineError, UsageError
from journaltune.base.frozen import Frozen
from journaltune.base.jsontext import dumps, loads
from journaltune.journal.mirror import Mirror, local_path
from journaltune.serve import protocol, verbs
from journaltune.serve.ssh import NO_PROGRAM, SSH_FAILED, BrokenError, Wire, command_of, place_of, refuse
from journaltune.study import OpenStudy, resolve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from journaltune.base.errors import JournaltuneError
    from journaltune.journal.mirror import News
    from journaltune.serve.ssh import Link
    from journaltune.suggest.choose import Suggestion

_ANSWERS_WITHIN_S = 60.0  # beside the time that a call may wait for a lock
_LOOK_AGAIN_S = 0.25  # whether the result has come that an ask waits for
_ONCE = ("engine.reap.release",)  # what would do something else when it is called again
_ENDS = ("engine.tell.tell", verbs.SETTLE, "engine.reap.release")  # this process has the trial no more


class Elsewhere:
    """One machine with one journal, and the connection to it. One call at a time: the study's turn sees to that."""

    def __init__(self, url: str, study_name: str | None, access: Mapping[str, Any], link: Link | None = None) -> None:
        self._place, self._name, self._access, self._link = place_of(url), study_name, access, link
        self._lock_timeout_s = float(access.get("lock_timeout_s", 60.0))
        self._wire: Wire | None = None
        self._is_open, self._n_wires, self._n_calls = False, 0, 0
        self.mirror = Mirror(url, self._fetch, self.hang_up, self._lock_timeout_s)
        self.owner: Mapping[str, Any] = {}
        self.is_own_journal = False
        self._become_another()

    def _become_another(self) -> None:
        """In a forked child: the parent's connection and trials are the parent's."""
        self.hang_up()
        self._own_mark = os.urandom(8).hex()
        self._marks, self._held, self._lost = set[str](), set[int](), list[tuple[int, int]]()

    @property
    def local_path(self) -> str:
        return local_path(self._place.host, self._place.path)

    # -- the connection ----------------------------------------------------------------------------------------------

    def create(self, given: Mapping[str, Any]) -> list[str]:
        """Make the study, or change one; what is odd about it. Errors as ``engine.create``."""
        wire = self._guarded(lambda: self._connected(opens=False))
        request = self._request(verbs.CREATE, {**given, "name": self._name})
        try:
            (made,) = self._guarded(lambda: self._exchange(wire, [request]))
        except BaseException:
            self.hang_up()
            raise
        self._name = made["study"]
        return list(made["notes"])

    def open(self) -> OpenStudy:
        """The study. NotFoundError and UsageError as ``open_study``."""
        try:
            self.mirror.sync()
            return OpenStudy(self.mirror, resolve(self.mirror, self._name), self)
        except BaseException:
            self.hang_up()
            raise

    def hang_up(self) -> None:
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.close()

    def _connected(self, *, opens: bool = True) -> Wire:
        if self._wire is not None and not self._wire.is_here:
            self._become_another()
        if self._wire is None:
            words = ["serve", "--stdio", "-f", self._place.path, "--lock-timeout", f"{min(self._lock_timeout_s, 1e9):.3f}s"]
            words += ["--allow-network-fs"] if self._access.get("allow_network_fs") else []
            self._wire, self._is_open = Wire(command_of(self._place, words, stays=True), self._link), False
            self._n_wires += 1
        if opens and not self._is_open:
            self._open_there(self._wire)
        return self._wire

    def _open_there(self, wire: Wire) -> None:
        """Name the study, see what is new in the journal, and take back what is still ours."""
        there = self._exchange(wire, [self._request(verbs.OPEN, {})])[0]
        self._name, self.is_own_journal = there["study"], there["is_own"]
        known = {"offset": self.mirror.offset, "checksum": self.mirror.checksum}
        self._take(wire, self._exchange(wire, [self._request(verbs.SINCE, known)])[0])
        if self._marks:
            self._adopt(wire)
        self._is_open = True

    def _adopt(self, wire: Wire) -> None:
        request = self._request("engine.own_trials.adopt", {"marks": sorted(self._marks)})
        adopted, news = self._exchange(wire, [request, self._news()])
        self._take(wire, news)
        self.owner = adopted["owner"]
        known = self._held | {number for number, _ in self._lost}
        self._lost += [(number, attempt) for number, attempt in adopted["taken"] if number not in known]

    # -- calls -------------------------------------------------------------------------------------------------------

    def call(self, study: OpenStudy, verb: Callable[..., Any], given: dict[str, Any]) -> Any:
        method = verbs.name_of(verb)
        if method == verbs.ASK:
            return self._ask(study, **given)
        number = given.get("number", given.get("numbers", getattr(given.get("result"), "number", None)))
        with study.turn.lock, study.turn:
            result = self._repeated(method, self._plain(study, method, given))
        if method in _ENDS and isinstance(number, int) and result is not False:
            self._held.discard(number)
        return result

    def _plain(self, study: OpenStudy, method: str, given: dict[str, Any]) -> dict[str, Any]:
        """The arguments as JSON has them, checked as the verb checks them. Whatever is told has a request id."""
        number = given.get("number")
        check: dict[str, Callable[[Any], Any]] = {
            "attrs": checks.attrs,
            "constraints": checks.constraints,
            "params": lambda value: checks.mapping(value, "parameters"),
            "values": lambda value: checks.values(value, len(study.state().directions), checks.whole(number, "a trial's number")),
            "value": lambda value: checks.number(value, "a value"),
            "number": lambda value: checks.whole(value, "a trial's number"),
            "numbers": lambda value: list(value) if hasattr(value, "__iter__") else value,
            "state": lambda value: (
                value if value is None or isinstance(value, str) else str(getattr(value, "name", value)).lower()
            ),
            "result": lambda value: (
                {name: getattr(value, name) for name in type(value)._fields} if isinstance(value, Frozen) else value
            ),
        }
        known = {name: check[name](value) if name in check else value for name, value in given.items() if name != "owner"}
        if method in (verbs.SETTLE, "engine.tell.tell", "engine.enqueue.enqueue") and known.get("request_id") is None:
            known["request_id"] = os.urandom(8).hex()
        return known

    def _repeated(self, method: str, given: dict[str, Any]) -> Any:
        """One call, made once more over a new connection where the connection breaks. MachineError where that fails too."""
        try:
            return self._once(method, given)
        except MachineError as error:
            if not _was_up(error) or method in _ONCE:
                raise
        if method == verbs.ASK:
            self._guarded(lambda: self._connected())
            if self._lost:
                return self._found()
        return self._once(method, given)

    def _once(self, method: str, given: dict[str, Any]) -> Any:
        """The result of a call, and what is new in the journal since."""
        wire, request = self._guarded(lambda: self._connected()), self._request(method, given)
        if method == verbs.SINCE:
            return self._guarded(lambda: self._exchange(wire, [request]))[0]
        result, news = self._guarded(lambda: self._exchange(wire, [request, self._news()]))
        self._guarded(lambda: self._take(wire, news))
        return result

    def _fetch(self, offset: int) -> News:
        start, data, has_more = self._repeated(verbs.SINCE, {"offset": offset})
        return start, data.encode("latin-1"), has_more

    def _guarded(self, step: Callable[[], Any]) -> Any:
        """A step of a call; MachineError, and no connection any more, where that breaks."""
        try:
            return step()
        except BrokenError as broken:
            self._wire = None
            try:
                self._explain(broken)
            except MachineError as error:
                raise error from broken
        except TimeoutError as error:
            wire, self._wire = self._wire, None
            if wire is not None:
                wire.close(hangs=True)
            place, why = self._place, "ServerAliveInterval in ssh's settings ends dead connections"
            raise MachineError(f"{place.there} does not answer; see what `{place.ssh} true` says ({why})") from error

    def _explain(self, broken: BrokenError) -> None:
        """Raise the error of a connection that broke: ssh's own, or the refusal of the journaltune there."""
        code, said = broken.exit_code, broken.said.removeprefix("journaltune: ")
        if code in (SSH_FAILED, NO_PROGRAM) or code > 128 or not said:
            refuse(self._place, code, said)
        raise (UsageError if code == UsageError.exit_code else MachineError)(f"{self._place.there}: {said}")

    # -- messages ----------------------------------------------------------------------------------------------------

    def _request(self, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        self._n_calls += 1
        named = params if method == verbs.CREATE else {"study": self._name, **params}
        return {"jsonrpc": "2.0", "id": self._n_calls, "method": f"{protocol.PREFIX}{method}", "params": named}

    def _news(self) -> dict[str, Any]:
        return self._request(verbs.SINCE, {"offset": self.mirror.offset})

    def _exchange(self, wire: Wire, requests: list[dict[str, Any]]) -> list[Any]:
        """The results of one batch. The first error among the answers is raised."""
        line = dumps(requests).encode()
        if len(line) > protocol.MOST_BYTES:
            raise UsageError(
                f"a call on another machine may have {protocol.MOST_BYTES} bytes, not {len(line)}; keep large values in files"
            )
        answer = wire.exchange(line + b"\n", _ANSWERS_WITHIN_S + self._lock_timeout_s)
        try:
            answers = loads(answer.decode())
        except ValueError:
            raise MachineError(f"{self._place.there} answers what journaltune does not say: {answer[:80]!r}") from None
        failed = [each["error"] for each in ([answers] if isinstance(answers, dict) else answers) if "error" in each]
        if failed:
            raise self._error(failed[0])
        return [each["result"] for each in answers]

    def _error(self, error: dict[str, Any]) -> JournaltuneError:
        if isinstance(error.get("data"), dict):
            return verbs.raised(error["data"])
        return MachineError(f"{self._place.there}: {error['message']}")

    def _take(self, wire: Wire, news: Any) -> None:
        """Apply what is new in the journal, and whatever follows it."""
        while self.mirror.take((news[0], news[1].encode("latin-1"), news[2])):
            (news,) = self._exchange(wire, [self._news()])

    # -- asking ------------------------------------------------------------------------------------------------------

    def _ask(
        self,
        study: OpenStudy,
        *,
        owner: Mapping[str, Any] | None = None,
        owner_pid: int | None = None,
        wait_s: float = 86400.0,
        on_wait: Callable[[int, int], None] | None = None,
        on_failed: Callable[[int], None] | None = None,
        mark: str | None = None,
        is_wanted: object = None,
        **given: Any,
    ) -> Suggestion:
        """See ``engine.ask``. This end does the waiting, as the result that is awaited may come by the same connection."""
        if owner_pid is not None:
            raise UsageError(
                "an owner is a process of the machine that has the journal; the connection owns what is asked elsewhere"
            )
        deadline = monotonic() + checks.not_negative(wait_s, "how long to wait")
        given["mark"] = mark or self._own_mark
        self._marks.add(given["mark"])
        seen: set[int] = set()
        while True:
            with study.turn.lock, study.turn:
                answer = self._next(given)
                asked = self._suggestion(study, answer)
            for number in answer.get("failed", ()):
                if on_failed is not None:
                    on_failed(number)
            if asked is not None:
                return asked
            if "error" not in answer:  # somebody has told it already
                continue
            for trial, awaited in answer["awaited"]:
                if on_wait is not None and awaited not in seen:
                    on_wait(trial, awaited)
                seen.add(awaited)
            if not answer["awaited"] or monotonic() >= deadline:
                raise verbs.raised(answer["error"])
            sleep(_LOOK_AGAIN_S)

    def _next(self, given: dict[str, Any]) -> dict[str, Any]:
        """The answer to an ask; first the trials of asks whose answer was lost."""
        self._guarded(lambda: self._connected())
        if self._lost:
            return self._found()
        answer: dict[str, Any] = self._repeated(verbs.ASK, given)
        self.owner = answer.get("owner", self.owner)
        if "error" in answer and self._n_wires > 1:  # a server that was cut off may have asked after we came back
            wire = self._guarded(lambda: self._connected())
            self._guarded(lambda: self._adopt(wire))
            if self._lost:
                return self._found()
        return answer

    def _found(self) -> dict[str, Any]:
        number, attempt = self._lost.pop(0)
        return {"number": number, "attempt": attempt}

    def _suggestion(self, study: OpenStudy, answer: dict[str, Any]) -> Suggestion | None:
        """The trial of an answer as the journal has it. None where there is none, or where it is finished by now."""
        from journaltune.engine.resume import suggestion_of

        trial = study.state().live.get(answer.get("number", -1))
        if trial is None:
            return None
        self._held.add(trial.number)
        return suggestion_of(study, trial, answer["attempt"])


def _was_up(error: MachineError) -> bool:
    """Whether a connection broke that had worked before."""
    return isinstance(error.__cause__, BrokenError) and error.__cause__.was_up
