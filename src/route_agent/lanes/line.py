"""The line to a provider: one HTTP client for one request, whose whole conversation has an end.

The SDKs' own timeouts hold for each read, so a server that sends one byte a second is never too slow for
them. Here a timer hangs up the connection itself, whatever it is doing. Name look-up alone cannot be
interrupted. The line also decides which headers leave: the SDKs add some from the environment, and those
would go to any address.

Imports httpx2: only import this module where a request is about to be made.
"""

from __future__ import annotations

import socket
import threading
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import httpx2

from route_agent.errors import ProviderError
from route_agent.lanes.answers import scrubbed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType
    from typing import Self

    from route_agent.config import Endpoint

Client = TypeVar("Client")

MAX_REPLY_BYTES = 8 * 1024 * 1024
_CONNECT_S = 10.0
_ENDING_BYTES = 4096
_LOOPBACK = ("localhost", "127.0.0.1", "::1")

# of the SDK's own headers only these leave; key, version and the user's headers are set here. The SDKs keep
# notes to themselves in some of the others, so their `with_raw_response` does not work on this line
_PROTOCOL_HEADERS = frozenset(
    {
        "accept",
        "anthropic-version",
        "connection",
        "content-length",
        "content-type",
        "host",
        "transfer-encoding",
        "user-agent",
    }
)

# what an SDK is given for a key, so that the real one is nowhere but in the request itself
_NO_KEY = "set-by-the-line"

_NEVER_REACHED = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.ProxyError, httpx2.UnsupportedProtocol)


class _HungUp(httpx2.TransportError):
    """Raised through the SDK when the line itself ends the conversation."""


class Line:
    """A client that goes to one endpoint, never follows a redirect and ends at a deadline.

    Args:
        endpoint: address, key and headers.
        timeout_s: seconds of wall time from entering the context to the last byte.
        max_bytes: how large the body of the answer may grow.
    """

    def __init__(self, endpoint: Endpoint, timeout_s: float, *, max_bytes: int = MAX_REPLY_BYTES) -> None:
        self._endpoint = endpoint
        self._timeout_s = timeout_s
        self._max_bytes = max_bytes
        self._left = max_bytes
        self._headers = _own_headers(endpoint)
        self._timer = threading.Timer(timeout_s, self._hang_up)
        self._timer.daemon = True
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._connected = False
        self._expired = False
        self._refusal: ProviderError | None = None
        self.ending = b""  # the last bytes of the body so far, at most so many as are looked at
        self.timeout = httpx2.Timeout(timeout_s, connect=min(_CONNECT_S, timeout_s))
        self.client = httpx2.Client(
            timeout=self.timeout,
            follow_redirects=False,
            event_hooks={"request": [self._leaving], "response": [self._arriving]},
            # a proxy from the environment is for the world outside
            mounts={f"all://{f'[{host}]' if ':' in host else host}": None for host in _LOOPBACK},
        )

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        self._timer.join()
        self.client.close()
        if self._socket is not None:
            self._socket.close()

    def failure(self, error: Exception) -> ProviderError:
        """What ended the conversation, in our words; `error` is what the SDK or the client raised."""
        name, host = self._endpoint.name, urlsplit(self._endpoint.provider.base_url).netloc
        # the SDKs wrap what the client raised, except while a stream is being read
        cause = error if isinstance(error, httpx2.HTTPError) else error.__cause__ or error
        told = scrubbed(self._endpoint, str(cause) or type(cause).__name__)
        slow = isinstance(cause, httpx2.TimeoutException) and not isinstance(cause, httpx2.ConnectTimeout)
        if self._expired or slow:
            return ProviderError(
                f"no complete answer from {name} ({host}) within {self._timeout_s:.3g} s",
                kind="timeout",
                retryable=True,
                maybe_billed=self._connected,
                hint="timeout_s of the lane in the policy is the longest wait",
            )
        if self._refusal is not None:
            return self._refusal
        if isinstance(cause, httpx2.TransportError):
            return self._broken(cause, f"{name} ({host})", told)
        return ProviderError(
            f"{name} sent a broken answer: {told}", kind="bad_response", retryable=True, maybe_billed=True
        )

    def _broken(self, cause: httpx2.TransportError, where: str, told: str) -> ProviderError:
        if not isinstance(cause, _NEVER_REACHED):
            return ProviderError(
                f"the connection to {where} broke off: {told}",
                kind="cut_off",
                retryable=True,
                maybe_billed=self._connected,
            )
        if isinstance(cause, httpx2.ProxyError) and "407" in told:
            return ProviderError(
                f"the proxy on the way to {where} wants credentials: {told}",
                kind="proxy",
                hint="HTTPS_PROXY names the proxy; a user and a password may stand in it",
            )
        local = urlsplit(self._endpoint.provider.base_url).hostname in _LOOPBACK
        certificate = "CERTIFICATE" in told
        hint = "is a server running there?" if local else "check the network and HTTPS_PROXY"
        return ProviderError(
            f"could not reach {where}: {told}",
            kind="connection",
            retryable=not local and not certificate,
            hint="set SSL_CERT_FILE to your own authority's certificate" if certificate else hint,
        )

    def _leaving(self, request: httpx2.Request) -> None:
        request.extensions = {**request.extensions, "trace": self._watch}
        for header in set(request.headers) - _PROTOCOL_HEADERS:
            del request.headers[header]
        request.headers.update(self._headers)

    def _arriving(self, response: httpx2.Response) -> None:
        name = self._endpoint.name
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            # compressed, a small answer can become a huge one
            self._refuse(f"{name} sent a compressed answer that was not asked for", "bad_response")
        if response.is_success and "html" in response.headers.get("content-type", ""):
            self._refuse(
                f"{name} answered with a web page instead of a reply",
                "bad_response",
                hint="is there a login page in between, or is base_url wrong? route-agent config show",
            )
        if isinstance(response.stream, httpx2.SyncByteStream):
            response.stream = _Bounded(response.stream, self._received)
            self._left = self._max_bytes

    def _received(self, chunk: bytes) -> None:
        self._left -= len(chunk)
        if self._left < 0:
            self._too_large()
        self.ending = (self.ending + chunk[-_ENDING_BYTES:])[-_ENDING_BYTES:]

    def _too_large(self) -> None:
        self._refuse(
            f"{self._endpoint.name} sent more than {self._max_bytes // 1024**2} MiB",
            "reply_too_large",
            maybe_billed=True,
        )

    def _refuse(self, what: str, kind: str, *, maybe_billed: bool = False, hint: str = "") -> None:
        self._refusal = ProviderError(what, kind=kind, maybe_billed=maybe_billed, hint=hint)
        raise _HungUp(what)

    def _watch(self, event: str, info: dict[str, Any]) -> None:
        """Keep hold of the connection when there is one; called by the client at each of its steps."""
        if not event.endswith("connect_tcp.complete"):
            return
        opened: socket.socket = info["return_value"].get_extra_info("socket")
        with self._lock:
            # a duplicate stays valid when TLS takes over the original
            self._socket = opened.dup()
            self._connected = True
        if self._expired:
            self._hang_up()

    def _hang_up(self) -> None:
        with self._lock:
            self._expired = True
            if self._socket is None:
                return
            try:
                # unlike close(), this wakes a read that is waiting
                self._socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                return  # the other side was first


@contextmanager
def opened(
    endpoint: Endpoint,
    timeout_s: float,
    sdk: Callable[..., AbstractContextManager[Client]],
    *,
    max_bytes: int = MAX_REPLY_BYTES,
    **own: object,
) -> Iterator[tuple[Line, Client]]:
    """A line, and an SDK's client that has no key, no retries and no other way out than this line.

    Args:
        own: what only this SDK's client takes.
    """
    with (
        Line(endpoint, timeout_s, max_bytes=max_bytes) as line,
        sdk(
            api_key=_NO_KEY,
            base_url=endpoint.provider.base_url,
            http_client=line.client,
            timeout=line.timeout,
            max_retries=0,
            **own,
        ) as client,
    ):
        yield line, client


class _Bounded(httpx2.SyncByteStream):
    """A body whose every part is shown to somebody, who may refuse it, before it is passed on."""

    def __init__(self, body: httpx2.SyncByteStream, received: Callable[[bytes], None]) -> None:
        self._body = body
        self._received = received

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._body:
            self._received(chunk)
            yield chunk

    def close(self) -> None:
        self._body.close()


def _own_headers(endpoint: Endpoint) -> dict[str, str]:
    provider, key = endpoint.provider, endpoint.key.strip()
    if not (key.isascii() and key.isprintable()):
        raise ProviderError(
            f"the key for {endpoint.name} has characters that no key has",
            kind="bad_key",
            hint=f"set {provider.key_env} again",
        )
    headers = {"accept-encoding": "identity"}
    if provider.version and provider.wire == "anthropic":
        headers["anthropic-version"] = provider.version
    if key:
        headers |= (
            {"x-api-key": key} if provider.key_header == "x-api-key" else {"authorization": f"Bearer {key}"}
        )
    return headers | {name.lower(): value for name, value in provider.headers.items()}
