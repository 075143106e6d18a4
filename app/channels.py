"""Connections that cost the server little: what waitress takes and keeps, with bounds.

Waitress stores a body wholly before the application sees the request, and waits for slow
clients as long as they send anything. Here a request is judged when its headers have come,
the body of a refused one is dropped as it comes, a client that stalls is let go, and none
has all the connections. Where an answer goes out before the request has come wholly, some more
of it is read away: closing at once would cut the answer off, too.
"""

import socket
import time
from collections import Counter
from http import HTTPStatus
from io import BytesIO

from flask import Flask
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.task import ErrorTask
from waitress.utilities import BadRequest

from app.limits import Limits
from app.problems import ADVICE, Problem

HEADER_SECONDS = 10.0  # for a request's headers
BODY_SECONDS = 30.0  # for its body, and more as it comes:
LEAST_RATE = 10_000  # bytes a second
STUCK_SECONDS = 10.0  # for which a client may read nothing of an answer that goes on
LINGER_SECONDS = 5.0  # for which a request that was answered early is read away,
LINGER_BYTES = 20_000_000  # and how much of it
_VIDEOS = "/api/v1/videos"


class _Refusal(BadRequest):
    """What waitress knows as a request's error, from a `Problem`."""

    def __init__(self, problem: Problem):
        super().__init__(problem.detail)
        self.problem = problem


class _Nowhere:
    """A body's buffer that counts and keeps nothing."""

    def __init__(self):
        self._length = 0

    def append(self, data: bytes) -> None:
        self._length += len(data)

    def __len__(self) -> int:
        return self._length

    def getfile(self) -> BytesIO:
        return BytesIO()

    def close(self) -> None:
        pass


class _Parser(HTTPRequestParser):
    """A request that is judged by its headers, and by the length of its body."""

    refusal: Problem | None = None
    room = 0  # bytes that the body may fill

    def __init__(self, channel: "Channel"):
        super().__init__(channel.adj)
        self._channel = channel

    def received(self, data: bytes) -> int:
        began = self.headers_finished
        taken = super().received(data)
        if self.headers_finished and not self.empty and self.error is None:
            if not began:
                self._judge()
            elif self.body_bytes_received > self.room and self.refusal is None:  # it was chunked
                self._refuse(Problem(413, ADVICE[413]))
        if self.completed and self.refusal is not None and self.error is None:
            self.error = _Refusal(self.refusal)
        return taken

    def _judge(self) -> None:
        limits = self._channel.limits
        most = limits.video_bytes if self.path == _VIDEOS else limits.picture_bytes
        names = {name.replace("_", "-"): value for name, value in self.headers.items()}
        try:
            self._channel.app.extensions["admit"](
                self.command, lambda name: names.get(name.upper())
            )
            if self.content_length > most:
                raise Problem(413, ADVICE[413])
            self.room = most if self.chunked else self.content_length
            if self._channel.bytes_under_way() > limits.upload_bytes:
                raise Problem(503, "Too much is being sent already. Try again in a minute.", 30)
        except Problem as problem:
            self._refuse(problem)

    def _refuse(self, problem: Problem) -> None:
        self.refusal, self.room = problem, 0
        if self.body_rcv is not None:
            self.body_rcv.getbuf().close()
            self.body_rcv.buf = _Nowhere()
        if self.expect_continue:  # the client asked first, and sends nothing more
            self.expect_continue, self.completed = False, True


class _ProblemTask(ErrorTask):
    """An error that the application never saw, answered in the application's form."""

    def execute(self) -> None:
        error = self.request.error
        problem = getattr(error, "problem", None) or Problem(
            error.code, ADVICE.get(error.code) or f"{error.reason}: {error.body}"
        )
        app = self.channel.app
        with app.test_request_context("/api/"):
            answer = app.process_response(problem.response())
        self.status = f"{problem.status} {HTTPStatus(problem.status).phrase}"
        self.response_headers.extend(answer.headers)
        self.set_close_on_finish()
        self.channel.answered_early = True
        self.content_length = answer.content_length
        self.write(answer.get_data())


class Channel(HTTPChannel):
    """A connection; give `Channel.of` to a waitress server as its ``channel_class``."""

    error_task_class = _ProblemTask
    answered_early = False  # more of the request may come than was read
    app: Flask
    limits: Limits

    @classmethod
    def of(cls, app: Flask, limits: Limits) -> type["Channel"]:
        """The connections of one application."""
        return type(cls.__name__, (cls,), {"app": app, "limits": limits})

    def __init__(self, *arguments, **more):
        self._began = time.time()
        self._reading = True
        self._lingers, self._read_away = False, 0
        super().__init__(*arguments, **more)
        everyone = list(self.server.active_channels.values())
        held = Counter(one.addr[0] for one in everyone)
        if held[self.addr[0]] > self.limits.connections:
            self.will_close = True
        elif len(everyone) > 2 * self.limits.connections:
            self._make_room(everyone, held)

    def _make_room(self, everyone: list["Channel"], held: Counter) -> None:
        """Close an idle connection of the address that holds most; the oldest, before it sends."""
        idle = [one for one in everyone if not (one.requests or one.total_outbufs_len)]
        idle.remove(self)
        if not idle:
            self.will_close = True
            return
        last = max(idle, key=lambda one: (held[one.addr[0]], one.request is None, -one._began))
        last.answered_early = False  # or it would linger
        last.handle_close()

    def parser_class(self, adjustments) -> _Parser:
        return _Parser(self)

    def received(self, data: bytes) -> bool:
        before = self.request
        going_on = super().received(data)
        if self.request is not before:
            self._began = time.time()
        return going_on

    def handle_close(self) -> None:
        if self.answered_early and self.connected and not self._lingers:
            try:
                self.socket.shutdown(socket.SHUT_WR)  # the answer ends here; the client may go on
            except OSError:  # it has gone
                pass
            else:
                self._lingers, self._began = True, time.time()
                return
        super().handle_close()

    def writable(self) -> bool:
        return not self._lingers and super().writable()

    def readable(self) -> bool:
        return self._lingers or super().readable()

    def handle_read(self) -> None:
        if not self._lingers:
            super().handle_read()
            return
        try:
            self._read_away += len(self.recv(65_536))  # which closes at the client's end
        except OSError:
            self.handle_close()
        if self._read_away > LINGER_BYTES:
            self.handle_close()

    def overdue(self, now: float) -> bool:
        """Whether the client sends its request, or reads its answer, too slowly."""
        if self._lingers:
            return now - self._began > LINGER_SECONDS
        if self.total_outbufs_len:
            # What is sent counts as activity. The first look at a full buffer only begins the
            # time: an answer that took long to make was not refused by anybody.
            if self._reading:
                self._reading, self._looked = False, now
            latest = max(self.last_activity, self._looked)
            return bool(self.requests) and now - latest > STUCK_SECONDS
        self._reading = True
        if self.requests:
            return False
        if self.request is None:  # between two requests, or before the first
            return self.last_activity == self.creation_time and now - self._began > HEADER_SECONDS
        allowed = HEADER_SECONDS
        if self.request.headers_finished:
            allowed = BODY_SECONDS + self.request.body_bytes_received / LEAST_RATE
        return now - self._began > allowed

    def bytes_under_way(self) -> int:
        """Bytes of the bodies that all connections of this server hold or wait for."""
        channels = list(self.server.active_channels.values())
        requests = [one for channel in channels for one in [*channel.requests, channel.request]]
        return sum(one.room for one in requests if one is not None)
