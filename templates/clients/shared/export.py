"""Exports spans without the contents of Chroma and of queries.

OpenLLMetry and OpenLIT put documents, embeddings, metadata and queries in their spans of Chroma, even
with `TRACELOOP_TRACE_CONTENT=false` and `capture_message_content=False`.

Invariant: only numbers and the attributes in `TEXTS` of these spans are exported.
"""

import json
import os

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter
from opentelemetry.trace import Status

SCOPES = {"opentelemetry.instrumentation.chromadb", "openlit.instrumentation.chroma"}
TEXTS = {
    "db.collection.name",
    "db.operation",
    "db.operation.name",
    "db.sdk.version",
    "db.system",
    "db.system.name",
    "error.type",
    "traceloop.workflow.name",
}


class WithoutContents(SpanExporter):
    """Sends spans without contents through another exporter."""

    def __init__(self, exporter):
        self._exporter = exporter

    def export(self, spans):
        return self._exporter.export([without_contents(span) for span in spans])

    def shutdown(self):
        self._exporter.shutdown()

    def force_flush(self, timeout_millis=30_000):
        return self._exporter.force_flush(timeout_millis)


def without_contents(span):
    """Returns the span. Spans of Chroma lose most texts and all events, which can hold contents."""
    if span.instrumentation_scope.name not in SCOPES:
        return span
    return ReadableSpan(
        name=span.name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes={
            name: value
            for name, value in span.attributes.items()
            if name in TEXTS or isinstance(value, (bool, int, float))
        },
        links=span.links,
        kind=span.kind,
        instrumentation_scope=span.instrumentation_scope,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
    )


def to_collector():
    """Returns the exporter that Chroma's variables configure."""
    return WithoutContents(
        OTLPSpanExporter(
            endpoint=os.environ["CHROMA_OTEL_COLLECTION_ENDPOINT"],
            headers=json.loads(os.environ.get("CHROMA_OTEL_COLLECTION_HEADERS") or "{}"),
        )
    )
