"""Sends requests with marked names and contents: marked_requests.py PORT.

Creates a tenant `tenantTOLD`, a database `databaseTOLD`, collections `collectionTOLD…`, and records that contain
`contentTOLD`; also sends requests for missing and invalid objects. Runs in the environment of each Chroma version.
"""

import contextlib
import sys

import chromadb
from chromadb.config import Settings

CONTENT, NUMBER = "contentTOLD", 0.123456789
WHERE = {f"{CONTENT}key": f"{CONTENT}value"}
WHERE_DOCUMENT = {"$contains": f"{CONTENT} searched"}


class Embeddings(chromadb.EmbeddingFunction):
    """The same vector for every text."""

    def __init__(self):
        pass

    def __call__(self, input):
        return [[NUMBER, 0.5, 0.25] for _ in input]


@contextlib.contextmanager
def refused():
    """Runs a request that Chroma must reject."""
    try:
        yield
    except Exception:  # the type depends on the version
        return
    raise AssertionError("this should be refused")


def administrator(port):
    return chromadb.AdminClient(
        Settings(
            chroma_api_impl="chromadb.api.fastapi.FastAPI",
            chroma_server_host="127.0.0.1",
            chroma_server_http_port=port,
        )
    )


def use(collection):
    documents = [f"{CONTENT} one", f"{CONTENT} two"]
    collection.add(ids=["1", "2"], documents=documents, metadatas=[WHERE, {"other": f"{CONTENT} metadata"}])
    collection.upsert(ids=["3"], documents=[f"{CONTENT} three"], metadatas=[WHERE])
    collection.update(ids=["3"], documents=[f"{CONTENT} four"])
    collection.query(query_texts=[f"{CONTENT} asked"], n_results=1, where=WHERE, where_document=WHERE_DOCUMENT)
    both = {"$and": [WHERE, {f"{CONTENT}key": {"$ne": "x"}}]}
    collection.query(query_embeddings=[[NUMBER, 0.5, 0.25]], n_results=1, where=both)
    collection.get(where=WHERE, where_document=WHERE_DOCUMENT, include=["documents", "metadatas", "embeddings"])
    collection.count()
    collection.modify(name="collectionTOLDrenamed", metadata=WHERE)
    collection.modify(name="collectionTOLD")
    collection.delete(where=WHERE)


def ask_wrongly(client, collection, port):
    with refused():
        client.get_collection("collectionTOLDnobody")
    with refused():
        client.create_collection("collectionTOLD")
    with refused():
        client.create_collection("bad collectionTOLD!")
    with refused():
        collection.add(ids=["9"], embeddings=[[NUMBER]], documents=[CONTENT])
    with refused():
        collection.query(query_embeddings=[[NUMBER, 0.5]], n_results=1)
    with refused():
        chromadb.HttpClient(host="127.0.0.1", port=port, tenant="tenantTOLDnobody", database="databaseTOLD")
    with refused():
        chromadb.HttpClient(host="127.0.0.1", port=port, tenant="tenantTOLD", database="databaseTOLDnobody")
    with refused():
        administrator(port).create_database("databaseTOLD", "tenantTOLD")


if __name__ == "__main__":
    port = int(sys.argv[1])
    administrator(port).create_tenant("tenantTOLD")
    administrator(port).create_database("databaseTOLD", "tenantTOLD")
    client = chromadb.HttpClient(host="127.0.0.1", port=port, tenant="tenantTOLD", database="databaseTOLD")
    collection = client.create_collection("collectionTOLD", metadata=WHERE, embedding_function=Embeddings())
    use(collection)
    ask_wrongly(client, collection, port)
    client.list_collections(limit=3)
    client.create_collection("collectionTOLDother")
    client.delete_collection("collectionTOLDother")
    print(collection.id)
