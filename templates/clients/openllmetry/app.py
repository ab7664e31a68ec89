"""Finds a book in Chroma, traced by OpenLLMetry."""

import os
from pathlib import Path

import chromadb
from dotenv import load_dotenv
from opentelemetry import trace
from opentelemetry.instrumentation.chromadb import ChromaInstrumentor
from traceloop.sdk import Traceloop
from traceloop.sdk.decorators import workflow

import books
import export
import propagation


@workflow(name="find a book")
def find():
    chroma = chromadb.HttpClient(host=os.environ["CHROMA_HOST"], port=int(os.environ["CHROMA_PORT"]))
    print("found {} among {} books".format(*books.find(chroma, "hunting a whale")))
    print(f"trace {trace.get_current_span().get_span_context().trace_id:032x}")


def main():
    load_dotenv(Path(__file__).with_name("settings.env"))
    Traceloop.init(
        app_name=os.environ["CHROMA_OTEL_SERVICE_NAME"],
        exporter=export.to_collector(),
        telemetry_enabled=False,
    )
    # Without it, the instrumentor requires the package `chromadb`, which includes the server.
    ChromaInstrumentor().instrument(skip_dep_check=True)
    propagation.start()
    find()
    trace.get_tracer_provider().shutdown()  # sends the last spans


if __name__ == "__main__":
    main()
