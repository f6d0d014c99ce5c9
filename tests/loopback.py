"""A provider on this machine: real HTTP in both wire formats, every answer scripted, every request kept.

    with Loopback() as server:
        server.script("small", Fault.status(529), Reply("diff …"))
        ...
        assert server.calls == [("openai", "small"), ("openai", "small")]

A model whose script is used up, or that has none, gets a 500 that says so.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

KEY_ENV = "LOOPBACK_KEY"


@dataclass(frozen=True)
class Reply:
    """A whole answer. Counts follow our own convention: `input_tokens` includes what was cached.

    `stop` is in the wire's own words where it is not the usual end. `usage` replaces the wire's usage object
    as it stands, None leaves it out. A `deaf` server answers as a whole even where a stream was asked for.
    """

    text: str
    served_model: str | None = None
    input_tokens: int = 1200
    cache_read: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0
    output_tokens: int = 80
    reasoning: int = 0
    cost: float | None = None
    stop: str = ""
    usage: dict[str, Any] | str | None = "counted"
    deaf: bool = False


@dataclass(frozen=True)
class Fault:
    """Anything but a whole answer; `act` does it to the open connection."""

    act: Callable[[_Handler, Request], None] = field(repr=False)

    @staticmethod
    def status(
        code: int,
        message: str = "scripted failure",
        *,
        kind: str = "",
        retry_after: str | float | None = None,
        headers: dict[str, str] | None = None,
    ) -> Fault:
        """An error answer as the wire words it; `kind` is the provider's own type or code."""

        def act(handler: _Handler, request: Request) -> None:
            named = kind or f"http_{code}"
            error = {"type": named, "message": message}
            body: dict[str, Any] = {"type": "error", "error": error}
            if request.wire == "openai":
                body = {"error": {**error, "code": kind or None}}
            waits = {} if retry_after is None else {"retry-after": str(retry_after)}
            handler.send_json(body, status=code, headers={**waits, **(headers or {})})

        return Fault(act)

    @staticmethod
    def raw(
        body: bytes, *, status: int = 200, content_type: str = "", headers: dict[str, str] | None = None
    ) -> Fault:
        """These bytes, with the content type of a proper answer where none is given."""

        def act(handler: _Handler, request: Request) -> None:
            usual = "text/event-stream" if request.streamed else "application/json"
            handler.send_whole(body, content_type or usual, status=status, headers=headers)

        return Fault(act)

    @staticmethod
    def html(status: int = 200) -> Fault:
        """The page of a login portal or a gateway."""
        page = b"<!doctype html><html><body>Please sign in</body></html>"
        return Fault.raw(page, status=status, content_type="text/html; charset=utf-8")

    @staticmethod
    def error_in_200(message: str = "upstream failed", code: int | str = 502) -> Fault:
        """A status of success around an error object."""

        def act(handler: _Handler, request: Request) -> None:
            named = {"code": code} if request.wire == "openai" else {"type": code}
            handler.send_json({"error": {"message": message, **named}})

        return Fault(act)

    @staticmethod
    def error_in_stream(kind: str = "overloaded_error", message: str = "Overloaded") -> Fault:
        """Half a reply, and then an error event where the other half should be."""

        def act(handler: _Handler, request: Request) -> None:
            handler.begin("text/event-stream")
            for frame in frames(Reply("half of it and more"), request)[:3]:
                handler.send_chunk(frame)
            error = {"type": kind, "message": message}
            if request.wire == "openai":
                handler.send_chunk(f"data: {json.dumps({'error': error})}\n\n".encode())
            else:
                handler.send_event({"type": "error", "error": error})
            handler.end()

        return Fault(act)

    @staticmethod
    def cut_off(*, politely: bool = False) -> Fault:
        """Half a reply, and then nothing: the connection breaks, or `politely` the body just ends."""

        def act(handler: _Handler, request: Request) -> None:
            whole = encoded(Reply("a reply of which only a part comes"), request)
            handler.begin("text/event-stream" if request.streamed else "application/json")
            handler.send_chunk(whole[: len(whole) // 2])
            if politely:
                handler.end()

        return Fault(act)

    @staticmethod
    def cut_at(reply: Reply, place: int, *, politely: bool = True) -> Fault:
        """So many bytes of a reply's body, and no more."""

        def act(handler: _Handler, request: Request) -> None:
            handler.begin("text/event-stream" if request.streamed else "application/json")
            if body := encoded(reply, request)[:place]:
                handler.send_chunk(body)
            if politely:
                handler.end()

        return Fault(act)

    @staticmethod
    def hang(seconds: float = 60.0) -> Fault:
        """Not a byte for so long."""

        def act(handler: _Handler, _: Request) -> None:
            handler.wait(seconds)

        return Fault(act)

    @staticmethod
    def drip(*, headers: bool = False, every_s: float = 0.02) -> Fault:
        """A byte every now and then, for ever: no single read is slow, the answer never ends."""

        def act(handler: _Handler, request: Request) -> None:
            if headers:
                handler.wfile.write(b"HTTP/1.1 200 OK\r\nx-slow: ")
                piece = b"a"
            else:
                handler.begin("text/event-stream" if request.streamed else "application/json")
                piece = b"1\r\n \r\n"
            while not handler.wait(every_s):
                handler.wfile.write(piece)
                handler.wfile.flush()

        return Fault(act)

    @staticmethod
    def pings(every_s: float = 0.02) -> Fault:
        """A stream that is kept alive and never says anything."""

        def act(handler: _Handler, request: Request) -> None:
            handler.begin("text/event-stream")
            while not handler.wait(every_s):
                if request.wire == "openai":
                    handler.send_chunk(b": keep-alive\n\n")
                else:
                    handler.send_event({"type": "ping"})

        return Fault(act)

    @staticmethod
    def flood() -> Fault:
        """Text without end, as fast as it is read."""

        def act(handler: _Handler, request: Request) -> None:
            handler.begin("text/event-stream" if request.streamed else "application/json")
            delta = {"type": "text_delta", "text": "x" * 65_536}
            event: dict[str, Any] = {"type": "content_block_delta", "index": 0, "delta": delta}
            if request.wire == "openai":
                event = {"type": "chunk", "choices": [{"index": 0, "delta": {"content": delta["text"]}}]}
            while not handler.wait(0):
                if request.streamed:
                    handler.send_event(event)
                else:
                    handler.send_chunk(b" " * 65_536)

        return Fault(act)

    @staticmethod
    def redirect(address: str, status: int = 307) -> Fault:
        """Somebody else's address instead of an answer."""
        return Fault.raw(b"", status=status, headers={"location": address})

    @staticmethod
    def refuse() -> Fault:
        """Hang up without a word once the request has been read."""
        return Fault(lambda handler, request: None)


@dataclass(frozen=True)
class Request:
    """One request as it came. Header names are lower case."""

    wire: str
    path: str
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def model(self) -> str:
        return str(self.body.get("model", ""))

    @property
    def streamed(self) -> bool:
        return bool(self.body.get("stream"))


class Loopback:
    """The server. Scripts may be changed at any time; one script per model, played in order."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.faults: list[BaseException] = []
        self.closing = threading.Event()
        self.unknown: dict[str, str] = {}  # parts of a request that are refused, and in which words
        self._scripts: dict[str, deque[Reply | Fault]] = {}
        self._lock = threading.Lock()
        self._http = _Server(("127.0.0.1", 0), _Handler)
        self._http.loopback = self
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closing.set()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()
        if self.faults and error is None:
            raise self.faults[0]

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self._http.server_address[1]}"

    @property
    def anthropic_url(self) -> str:
        """The base_url for the wire format `anthropic`."""
        return f"http://{self.address}"

    @property
    def openai_url(self) -> str:
        """The base_url for the wire format `openai`."""
        return f"http://{self.address}/v1"

    def script(self, model: str, *answers: Reply | Fault) -> None:
        """Add answers to a model's script."""
        with self._lock:
            self._scripts.setdefault(model, deque()).extend(answers)

    @property
    def calls(self) -> list[tuple[str, str]]:
        """Which model got which call, in order: (wire, model)."""
        return [(request.wire, request.model) for request in self.requests]

    def config_yaml(self, key_env: str = KEY_ENV) -> str:
        """A configuration file with this server as the providers `loop-anthropic` and `loop-openai`."""
        return "providers:\n" + "".join(
            f"  loop-{wire}: {{wire: {wire}, base_url: {url}, key_env: {key_env}}}\n"
            for wire, url in (("anthropic", self.anthropic_url), ("openai", self.openai_url))
        )

    def answer_for(self, request: Request) -> Reply | Fault:
        """Keep the request and take the next answer of its model's script, unless a part of it is unknown."""
        with self._lock:
            self.requests.append(request)
            for part in request.body.keys() & self.unknown.keys():
                return Fault.status(400, self.unknown[part], kind="invalid_request_error")
            left = self._scripts.get(request.model)
            if left:
                return left.popleft()
        return Fault.status(
            500, f'nothing is scripted (any more) for model "{request.model}"', kind="script_used_up"
        )


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    loopback: Loopback

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client may hang up; anything else is a fault of the test server and fails the test."""
        import sys

        error = sys.exception()
        if error is not None and not isinstance(error, ConnectionError):
            self.loopback.faults.append(error)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Answer one request and hang up."""
        self.close_connection = True
        raw = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        paths = {"/v1/messages": "anthropic", "/v1/chat/completions": "openai"}
        wire = next((it for end, it in paths.items() if self.path.endswith(end)), "")
        request = Request(wire, self.path, headers, json.loads(raw))
        answer = self.server.loopback.answer_for(request)
        if not wire:
            answer = Fault.status(404, f"no such path: {self.path}")
        if isinstance(answer, Fault):
            answer.act(self, request)
        else:
            streamed = request.streamed and not answer.deaf
            self.send_whole(
                encoded(answer, request),
                "text/event-stream" if streamed else "application/json",
                headers={"request-id": "req_scripted", "x-request-id": "req_scripted"},
            )

    def log_message(self, *_: Any) -> None:
        """Keep the test output clean."""

    def wait(self, seconds: float) -> bool:
        """Wait, but never beyond the end of the test; True once that has come."""
        return self.server.loopback.closing.wait(seconds)

    def begin(self, content_type: str, *, status: int = 200, headers: dict[str, str] | None = None) -> None:
        """Send the headers of an answer whose length is not told."""
        self.send_response(status)
        for name, value in {
            "content-type": content_type,
            "transfer-encoding": "chunked",
            "connection": "close",
            **(headers or {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()

    def send_chunk(self, data: bytes) -> None:
        """Send a part of the body."""
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def end(self) -> None:
        """End the body properly."""
        self.wfile.write(b"0\r\n\r\n")

    def send_whole(
        self, body: bytes, content_type: str, *, status: int = 200, headers: dict[str, str] | None = None
    ) -> None:
        """Send a whole answer, in two parts, as networks do."""
        self.begin(content_type, status=status, headers=headers)
        half = len(body) // 2
        for part in (body[:half], body[half:]):
            if part:
                self.send_chunk(part)
        self.end()

    def send_json(
        self, body: dict[str, Any], *, status: int = 200, headers: dict[str, str] | None = None
    ) -> None:
        """Send a whole JSON answer."""
        self.send_whole(json.dumps(body).encode(), "application/json", status=status, headers=headers)

    def send_event(self, event: dict[str, Any]) -> None:
        """Send one event of an Anthropic stream."""
        self.send_chunk(_event(event))


def encoded(reply: Reply, request: Request) -> bytes:
    """The body of a whole answer in the request's wire format, streamed or not."""
    if request.streamed and not reply.deaf:
        return b"".join(frames(reply, request))
    whole = _message if request.wire == "anthropic" else _completion
    return json.dumps(whole(reply, request)).encode()


def frames(reply: Reply, request: Request) -> list[bytes]:
    """The frames of a stream in the request's wire format."""
    if request.wire == "anthropic":
        return list(map(_event, events(reply, request)))
    return list(_chunks(reply, request))


def events(reply: Reply, request: Request) -> list[dict[str, Any]]:
    """The events of an Anthropic stream: counts begin in the first and are corrected in the last."""
    message = _message(reply, request)
    usage = message.pop("usage", None)
    first = {} if usage is None else {"usage": {**usage, "output_tokens": 1}}
    last = {} if usage is None else {"usage": {"output_tokens": usage.get("output_tokens")}}
    if usage and "output_tokens_details" in usage:
        last["usage"]["output_tokens_details"] = usage["output_tokens_details"]
    return [
        {"type": "message_start", "message": {**message, "content": [], "stop_reason": None, **first}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *(
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": part}}
            for part in _parts(reply.text)
        ),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": message["stop_reason"]}, **last},
        {"type": "message_stop"},
    ]


def _event(event: dict[str, Any]) -> bytes:
    return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()


def _parts(text: str) -> Iterator[str]:
    for begin in range(0, len(text), 7):
        yield text[begin : begin + 7]


def _message(reply: Reply, request: Request) -> dict[str, Any]:
    usage: Any = reply.usage
    if usage == "counted":
        usage = {
            "input_tokens": reply.input_tokens - reply.cache_read - reply.cache_write,
            "cache_read_input_tokens": reply.cache_read,
            "cache_creation_input_tokens": reply.cache_write,
            "cache_creation": {
                "ephemeral_5m_input_tokens": reply.cache_write - reply.cache_write_1h,
                "ephemeral_1h_input_tokens": reply.cache_write_1h,
            },
            "output_tokens": reply.output_tokens,
            "output_tokens_details": {"thinking_tokens": reply.reasoning},
        }
    return {
        "id": "msg_scripted",
        "type": "message",
        "role": "assistant",
        "model": reply.served_model or request.model,
        "content": [{"type": "text", "text": reply.text}],
        "stop_reason": reply.stop or "end_turn",
        "stop_sequence": None,
        **({} if usage is None else {"usage": usage}),
    }


def _openai_usage(reply: Reply) -> Any:
    if reply.usage != "counted":
        return reply.usage
    return {
        "prompt_tokens": reply.input_tokens,
        "completion_tokens": reply.output_tokens,
        "total_tokens": reply.input_tokens + reply.output_tokens,
        "prompt_tokens_details": {"cached_tokens": reply.cache_read, "cache_write_tokens": reply.cache_write},
        "completion_tokens_details": {"reasoning_tokens": reply.reasoning},
        **({} if reply.cost is None else {"cost": reply.cost}),
    }


def _completion(reply: Reply, request: Request) -> dict[str, Any]:
    usage = _openai_usage(reply)
    refused = {"refusal": "I cannot help with that."} if reply.stop == "refusal" else {}
    return {
        "id": "chatcmpl-scripted",
        "object": "chat.completion",
        "created": 1_760_000_000,
        "model": reply.served_model or request.model,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": reply.text, **refused},
                "finish_reason": "stop" if refused else reply.stop or "stop",
            }
        ],
        **({} if usage is None else {"usage": usage}),
    }


def _chunks(reply: Reply, request: Request) -> Iterator[bytes]:
    whole = _completion(reply, request)
    head = {**whole, "object": "chat.completion.chunk"}
    usage = head.pop("usage", None)
    if reply.stop == "refusal":
        delta = [{"index": 0, "delta": {"refusal": "I cannot help with that."}, "finish_reason": None}]
        yield f"data: {json.dumps({**head, 'choices': delta})}\n\n".encode()
    for part in _parts(reply.text):
        delta = [{"index": 0, "delta": {"role": "assistant", "content": part}, "finish_reason": None}]
        yield f"data: {json.dumps({**head, 'choices': delta})}\n\n".encode()
    last = [{"index": 0, "delta": {}, "finish_reason": whole["choices"][0]["finish_reason"]}]
    yield f"data: {json.dumps({**head, 'choices': last})}\n\n".encode()
    if usage is not None and request.body.get("stream_options", {}).get("include_usage"):
        yield f"data: {json.dumps({**head, 'choices': [], 'usage': usage})}\n\n".encode()
    yield b"data: [DONE]\n\n"
