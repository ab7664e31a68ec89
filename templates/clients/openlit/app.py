"""Finds a book in Chroma, traced by OpenLIT."""

import os
from pathlib import Path

import chromadb
import openlit
from dotenv import load_dotenv
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

import books
import export
import propagation

HERE = Path(__file__).parent


def start():
    """Sets up tracing and returns the provider, to be shut down at the end."""
    name = os.environ["CHROMA_OTEL_SERVICE_NAME"]
    provider = TracerProvider(resource=Resource.create({"service.name": name}))
    provider.add_span_processor(BatchSpanProcessor(export.to_collector()))
    trace.set_tracer_provider(provider)  # OpenLIT uses the existing provider
    openlit.init(
        service_name=name,
        capture_message_content=False,
        disable_events=True,
        disable_metrics=True,
        disabled_instrumentors=["httpx"],  # done in propagation.py
        pricing_json=str(HERE / "pricing.json"),  # otherwise fetched from GitHub at each start
    )
    propagation.start()
    return provider


def main():
    load_dotenv(HERE / "settings.env")
    provider = start()
    with trace.get_tracer("app").start_as_current_span("find a book") as span:
        chroma = chromadb.HttpClient(host=os.environ["CHROMA_HOST"], port=int(os.environ["CHROMA_PORT"]))
        print("found {} among {} books".format(*books.find(chroma, "hunting a whale")))
    print(f"trace {span.get_span_context().trace_id:032x}")
    provider.shutdown()  # sends the last spans


if __name__ == "__main__":
    main()
