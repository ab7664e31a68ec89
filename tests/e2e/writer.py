"""A client that writes continuously: writer.py PORT write LOG | PORT check LOG BEGAN ENDED.

`write` adds and deletes in four collections until it is stopped, and logs each confirmed change as a line of LOG.
`check` verifies that a Chroma restored from a backup made between lines BEGAN and ENDED contains the confirmed
changes. Runs in the environment of each Chroma version.

Invariant: a vector is computed from its name, so the name alone determines the expected result.
"""

import json
import random
import signal
import sys

import chromadb

COLLECTIONS = 4
# The number of changes after which an index is written to disk: frequent or rare.
THRESHOLDS = [50, 100, 500, 1000]


def vector(name):
    numbers = random.Random(name)
    return [numbers.uniform(-1, 1) for _ in range(16)]


def write(client, log):
    ended = []
    signal.signal(signal.SIGTERM, lambda *_: ended.append(True))
    settings = [{"hnsw:sync_threshold": threshold, "hnsw:batch_size": 20} for threshold in THRESHOLDS]
    collections = [client.create_collection(f"busy-{n}", metadata=settings[n]) for n in range(COLLECTIONS)]
    turn = 0
    with open(log, "w") as out:
        while not ended:
            number = turn % COLLECTIONS
            collection, batch = collections[number], turn // COLLECTIONS
            names = [f"{number}-{batch}-{n}" for n in range(40)]
            collection.add(ids=names, embeddings=[vector(name) for name in names], documents=names)
            print(json.dumps({"collection": number, "added": names}), file=out, flush=True)
            if batch >= 3:
                gone = [f"{number}-{batch - 3}-{n}" for n in range(0, 40, 4)]
                collection.delete(ids=gone)
                print(json.dumps({"collection": number, "deleted": gone}), file=out, flush=True)
            turn += 1


def check(client, log, began, ended):
    with open(log) as file:
        lines = [json.loads(line) for line in file]
    for number in range(COLLECTIONS):
        collection = client.get_collection(f"busy-{number}")
        there = collection.get(include=["embeddings", "documents"])
        names = there["ids"]
        assert collection.count() == len(names) == len(set(names))
        before = changes(lines[:began], number)
        during = changes(lines[began : ended + 2], number)  # a change confirmed after the end may be included
        must = before["added"] - before["deleted"] - during["deleted"]
        may = before["added"] | during["added"]
        assert must <= set(names), f"{number}: {len(must - set(names))} of {len(must)} are lost"
        assert set(names) <= may - before["deleted"], f"{number}: {sorted(set(names) - may)[:5]} are nobody's"
        for name, embedding, document in zip(names, there["embeddings"], there["documents"], strict=True):
            assert document == name
            assert all(abs(a - b) < 1e-6 for a, b in zip(embedding, vector(name), strict=True)), (
                f"{name} has another's vector"
            )
        sample = names[:: max(1, len(names) // 40)]
        found = collection.query(query_embeddings=[vector(name) for name in sample], n_results=5)["ids"]
        assert all(set(near) <= set(names) for near in found)
        own = sum(name in near for name, near in zip(sample, found, strict=True))
        assert own >= 0.9 * len(sample), f"{number}: {own} of {len(sample)} are found"  # the search is approximate
        collection.add(ids=["new"], embeddings=[vector("new")], documents=["new"])  # still writable
        assert collection.query(query_embeddings=[vector("new")], n_results=1)["ids"] == [["new"]]


def changes(lines, number):
    of = [line for line in lines if line["collection"] == number]
    return {kind: {name for line in of for name in line.get(kind, [])} for kind in ("added", "deleted")}


if __name__ == "__main__":
    port, action, log, *numbers = sys.argv[1:]
    connected = chromadb.HttpClient(host="127.0.0.1", port=int(port))
    {"write": write, "check": check}[action](connected, log, *map(int, numbers))
