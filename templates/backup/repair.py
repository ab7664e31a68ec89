"""Repairs indexes that a crash damaged, while Chroma is stopped.

Chroma writes the files of an index in place, one after the other, so a crash (SIGKILL, no memory, no power) can leave
files that differ. Its log in SQLite has the changes since the last complete write, and the files still have the older
vectors. This puts those vectors back into the log and removes the index, which Chroma then builds again.
Invariants: SQLite's other tables are not changed; an index is removed only if each of its records has its vector; files
are moved aside, never deleted.

Reads the variables DATA, BACKUPS, CHROMA_VERSION and CHROMA_URL.
"""

import contextlib
import itertools
import os
import pickletools
import shutil
import sqlite3
import struct
import time

from archive import DATABASE, Failure, index_state, numbers, remove, run, say
from restore import closed_to_others, refuse_if_running


ADD, UPSERT = 0, 2  # operations in the log; 1 updates and 3 deletes


def repair(data, backups):
    refuse_if_running()
    if numbers(os.environ["CHROMA_VERSION"]) < [1]:
        raise Failure("only indexes of Chroma 1.x can be repaired; restore a backup")
    with closed_to_others(data):
        pass  # nobody has the database open
    with contextlib.closing(sqlite3.connect(data / DATABASE)) as database:
        # All records of the other collections are still in the log.
        segments = database.execute(
            "SELECT id, collection FROM segments JOIN max_seq_id ON segment_id = id WHERE scope = 'VECTOR' AND seq_id > 0"
        ).fetchall()
        damaged = [one for one in segments if index_state(data / one[0])]
        if not damaged:
            say(f"{len(segments)} indexes, none is damaged")
            return
        aside = data / f"before-restore-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}"
        aside.mkdir()
        with contextlib.closing(sqlite3.connect(aside / DATABASE)) as copy:
            database.backup(copy)
        failures = []
        for segment, collection in damaged:
            say(f"collection {collection}: {index_state(data / segment)}")
            try:
                records = rebuild(database, data / segment, segment, collection)
            except (Failure, OSError, struct.error) as failure:
                failures.append(f"collection {collection}: {failure}; restore a backup")
                continue
            database.commit()
            shutil.move(data / segment, aside)
            say(f"collection {collection}: Chroma builds the index of {records} records again when it starts")
    if len(failures) < len(damaged):
        say(f"the previous data is in {aside}")
    else:
        remove(aside)
    if failures:
        raise Failure("\n".join(failures))


def rebuild(database, folder, segment, collection):
    """Puts the vectors of the index back into the log. Returns the number of records."""
    (metadata,) = database.execute(
        "SELECT id FROM segments WHERE scope = 'METADATA' AND collection = ?", [collection]
    ).fetchone()
    records = database.execute("SELECT embedding_id FROM embeddings WHERE segment_id = ? ORDER BY id", [metadata])
    records = [name for (name,) in records]
    logged = database.execute(
        "SELECT id, operation, vector, topic FROM embeddings_queue WHERE topic LIKE ? ORDER BY seq_id",
        [f"%{collection}"],
    ).fetchall()
    if not logged:
        raise Failure("the log is empty")
    vectors = vectors_of(folder)
    labels = labels_of(folder)
    first = {name: operation for name, operation, _, _ in reversed(logged)}
    created = {name for name, operation in first.items() if operation in (ADD, UPSERT)}  # by the log itself
    present = {*records, *first}
    old = [name for name in labels if name in present and name not in created]
    if missing := [name for name in {*old, *records} - created if labels.get(name) not in vectors]:
        raise Failure(f"{len(missing)} of {len(records)} records have no vector")
    taken = {number for (number,) in database.execute("SELECT seq_id FROM embeddings_queue")}
    free = (number for number in itertools.count(1) if number not in taken)  # of changes that Chroma has forgotten
    database.executemany(
        "INSERT INTO embeddings_queue (seq_id, operation, topic, id, vector, encoding) VALUES (?, ?, ?, ?, ?, 'FLOAT32')",
        [(next(free), ADD, logged[0][3], name, vectors[labels[name]]) for name in old],
    )
    database.execute("DELETE FROM max_seq_id WHERE segment_id = ?", [segment])
    return len(records)


def vectors_of(folder):
    """Returns the complete elements of the index: the vector of each label."""
    header, data = (folder / "header.bin").read_bytes(), (folder / "data_level0.bin").read_bytes()
    _, _, count, size, label, vector = struct.unpack_from("<6Q", header, 4)
    found = {}
    for start in range(0, min(count * size, len(data) - size + 1), size):
        (name,) = struct.unpack_from("<Q", data, start + label)
        found[name] = data[start + vector : start + label]
    return found


def labels_of(folder):
    """Returns the label of each record, from metadata that may be cut off after them, without executing the pickle."""
    field, text, labels = None, None, {}
    with contextlib.suppress(ValueError), open(folder / "index_metadata.pickle", "rb") as file:
        for opcode, argument, _ in pickletools.genops(file):
            if "UNICODE" in opcode.name:
                text = argument
            elif opcode.name == "EMPTY_DICT":
                if text == "label_to_id":
                    return labels
                field = text
            elif field == "id_to_label" and "INT" in opcode.name:
                labels[text] = argument
    raise Failure("the names in index_metadata.pickle are lost")


if __name__ == "__main__":
    run(repair)
