"""Finds a book in Chroma, traced by Chroma's client.

The client reads its four variables when it is created and sets up tracing for the whole process,
including the application's own spans.
"""

import os
from pathlib import Path

import chromadb
from dotenv import load_dotenv
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

import books
import propagation


def main():
    load_dotenv(Path(__file__).with_name("settings.env"))
    propagation.start()
    chroma = chromadb.HttpClient(host=os.environ["CHROMA_HOST"], port=int(os.environ["CHROMA_PORT"]))
    with trace.get_tracer("app").start_as_current_span("find a book") as span:
        print("found {} among {} books".format(*books.find(chroma, "hunting a whale")))
    print(f"trace {span.get_span_context().trace_id:032x}")
    provider = trace.get_tracer_provider()
    if isinstance(provider, TracerProvider):  # not with granularity `none`
        provider.shutdown()  # sends the last spans


if __name__ == "__main__":
    main()
