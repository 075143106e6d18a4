"""Errors as problem details (RFC 9457): JSON for programs, a page for people."""

from flask import Flask, Response, json, render_template, request
from werkzeug.exceptions import HTTPException
from werkzeug.http import HTTP_STATUS_CODES

from app.workers import Busy

ADVICE = {
    404: "There is nothing at this address.",
    405: "This address does not answer to that method.",
    413: "What was sent is larger than this address takes: send a smaller file.",
    416: "The file has no such part: ask for one range of bytes within its length.",
    431: "The request's headers are too long: send shorter ones.",
    500: "The server failed at this. What was sent is not kept; the server's log says where "
    "it failed.",
}


class Problem(Exception):
    """A refusal to be sent to the client.

    Args:
        status: HTTP status code.
        detail: what came, what was expected, what to do.
        retry_after: seconds after which it may work, if that helps.
    """

    def __init__(self, status: int, detail: str, retry_after: int | None = None):
        super().__init__(detail)
        self.status, self.detail, self.retry_after = status, detail, retry_after

    def response(self) -> Response:
        title = HTTP_STATUS_CODES.get(self.status, "Error")
        if not request.path.startswith("/api/") and _wants_page():
            page = render_template("error.html", title=title, detail=self.detail, page="")
            response = Response(page, self.status)
        else:
            body = {"type": "about:blank", "title": title, "status": self.status}
            body["detail"] = self.detail
            text = json.dumps(body, ensure_ascii=False)
            response = Response(text, self.status, mimetype="application/problem+json")
        if self.retry_after is not None:
            response.headers["Retry-After"] = str(self.retry_after)
        return response


def register(app: Flask) -> None:
    """Every error of this application leaves it as a problem."""

    @app.errorhandler(Problem)
    def refuse(error: Problem):
        return error.response()

    @app.errorhandler(Busy)
    def come_back(error: Busy):
        return Problem(503, str(error), retry_after=1).response()

    @app.errorhandler(HTTPException)
    def explain(error: HTTPException):
        if error.code is None or error.code < 400:
            return error  # a redirect
        detail = ADVICE.get(error.code) or error.description or ""
        response = Problem(error.code, detail).response()
        for name, value in error.get_headers():  # such as Allow, or a range's Content-Range
            response.headers.setdefault(name, value)
        return response

    @app.errorhandler(Exception)
    def fail(error: Exception):
        # The traceback names places in the code and, at most, sizes: nothing of a picture.
        app.logger.exception("%s %s failed", request.method, request.url_rule)
        return Problem(500, ADVICE[500]).response()


def _wants_page() -> bool:
    return request.accept_mimetypes.best_match(["application/json", "text/html"]) == "text/html"
