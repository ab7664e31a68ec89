"""Where spans go, and what of them stays here: what is stored in Chroma and what it is asked.

OpenLLMetry and OpenLIT send documents, embeddings, metadata and queries as parts of their spans of
Chroma, with `TRACELOOP_TRACE_CONTENT=false` and `capture_message_content=False`, too.

Invariant: of a span of theirs only numbers and the texts in `TEXTS` leave.
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
    """The span, without what may hold contents if it is one of Chroma: most texts, all events."""
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
    """The exporter that Chroma's variables name."""
    return WithoutContents(
        OTLPSpanExporter(
            endpoint=os.environ["CHROMA_OTEL_COLLECTION_ENDPOINT"],
            headers=json.loads(os.environ.get("CHROMA_OTEL_COLLECTION_HEADERS") or "{}"),
        )
    )
