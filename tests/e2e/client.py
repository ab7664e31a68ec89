"""Runs steps with the real Python client: client.py PORT STEP…

Runs in the environment of each Chroma version; requires only `chromadb`.
"""

import sys

import chromadb


def fill(client):
    documents = client.get_or_create_collection("documents")
    numbers = range(20)
    documents.add(
        ids=[str(number) for number in numbers],
        embeddings=[[float(number), 1.0, 0.5] for number in numbers],
        documents=[f"document {number}" for number in numbers],
    )


def query(client):
    documents = client.get_collection("documents")
    found = documents.query(query_embeddings=[[7.0, 1.0, 0.5]], n_results=1)
    assert found["ids"] == [["7"]], found
    assert found["documents"] == [["document 7"]], found
    assert documents.count() == 20, documents.count()


def delete(client):
    documents = client.get_collection("documents")
    documents.delete(ids=["3"])
    assert documents.count() == 19, documents.count()
    client.delete_collection("documents")


STEPS = {step.__name__: step for step in (fill, query, delete)}

if __name__ == "__main__":
    port, *steps = sys.argv[1:]
    connected = chromadb.HttpClient(host="127.0.0.1", port=int(port))
    for step in steps:
        STEPS[step](connected)
