"""Creates many collections, all persisted and in use: many_collections.py PORT COUNT.

Runs in the environment of a Chroma version; requires only `chromadb`.
"""

import sys

import chromadb

# Chroma writes an index to disk, and keeps its files open, after this many changes.
THRESHOLD = 2
VECTORS = [[float(number), 1.0, 0.5] for number in range(2 * THRESHOLD)]


def used(client, number):
    """A new collection with enough records for an index on disk; checks that a query returns one."""
    settings = {"hnsw:sync_threshold": THRESHOLD, "hnsw:batch_size": THRESHOLD}
    collection = client.create_collection(f"many-{number}", metadata=settings)
    collection.add(ids=[str(at) for at in range(len(VECTORS))], embeddings=VECTORS)
    return answers(collection)


def answers(collection):
    found = collection.query(query_embeddings=[VECTORS[1]], n_results=1)
    assert found["ids"] == [["1"]], f"{collection.name}: {found}"
    return collection


if __name__ == "__main__":
    port, count = (int(word) for word in sys.argv[1:])
    connected = chromadb.HttpClient(host="127.0.0.1", port=port)
    first, *_ = [used(connected, number) for number in range(count)]
    answers(first)
    used(connected, count)
