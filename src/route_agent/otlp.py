"""Spans in OpenTelemetry's own form. Only to be imported where the extra `otel` may be missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context

from route_agent import __version__
from route_agent.tracing import AGENT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.trace import Span

    from route_agent.records import spans as records


class _Kept(SpanProcessor):
    """Keeps what has ended."""

    def __init__(self) -> None:
        self.ended: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        self.ended.append(span)


def encoded(spans: Sequence[records.Span]) -> bytes:
    """A request of OTLP with one trace; each span stands after the one above it."""
    kept = _Kept()
    resource = Resource({"service.name": AGENT, "service.version": __version__})
    provider = TracerProvider(resource=resource, sampler=ALWAYS_ON, shutdown_on_exit=False)
    provider.add_span_processor(kept)
    tracer = provider.get_tracer(AGENT, __version__)
    made: list[Span] = []
    for span in spans:
        above = None if span.parent is None else set_span_in_context(made[span.parent])
        made.append(
            tracer.start_span(
                span.name,
                context=above,
                kind=SpanKind.CLIENT if span.asks else SpanKind.INTERNAL,
                attributes=dict(span.attributes),
                start_time=span.began,
            )
        )
    for span, open_span in zip(spans, made, strict=True):
        if span.error:
            open_span.set_status(Status(StatusCode.ERROR))
        open_span.end(end_time=span.ended)
    message: bytes = encode_spans(kept.ended).SerializeToString()
    return message
