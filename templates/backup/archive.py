"""Backup archives: a manifest, followed by the database and its indexes.

Invariant: an archive is a backup only after it was read completely and compared with its manifest.
"""

import contextlib
import errno
import fcntl
import gzip
import hashlib
import json
import os
import pickletools
import re
import shutil
import sqlite3
import struct
import sys
import tarfile
import zlib
from pathlib import Path

DATABASE = "chroma.sqlite3"
OPENED = "chroma-version"  # names the release that last opened the data; Chroma's entrypoint refuses older ones
INDEX = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
FILE = re.compile(rf"{re.escape(DATABASE)}|{INDEX.pattern}/[\w.-]+")
ARCHIVES = "chroma-*.tar.gz"
INDEX_FILES = ("header.bin", "data_level0.bin", "length.bin", "link_lists.bin", "index_metadata.pickle")


class Failure(Exception):
    """Ends the program with a message for the operator."""


def say(*words):
    print(*words, flush=True)


def run(action):
    """Runs the action with the data directory and the backup directory."""
    data, backups = Path(os.environ["DATA"]), Path(os.environ["BACKUPS"])
    become_owner(data, backups)
    try:
        with only_one(backups):
            action(data, backups)
    except (OSError, sqlite3.OperationalError) as error:
        if not is_full(error):
            raise
        sys.exit("no space left on the volume: nothing was replaced or deleted; enlarge it or keep fewer backups")
    except Failure as failure:
        sys.exit(str(failure))


def become_owner(data, backups):
    """As root, continues as the owner of the data, so that Chroma can open what SQLite creates."""
    owner = data.stat()
    if os.geteuid() == 0 and owner.st_uid != 0:
        for path in (backups, *backups.glob(ARCHIVES)):
            os.chown(path, owner.st_uid, owner.st_gid)
        os.setgroups([])
        os.setgid(owner.st_gid)
        os.setuid(owner.st_uid)


def is_full(error):
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return error.sqlite_errorcode == sqlite3.SQLITE_FULL


@contextlib.contextmanager
def only_one(backups):
    with open(backups / ".lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Failure("another backup or restore is running: wait until it ends") from None
        yield


def check(copy):
    """Returns the number of records. Fails if SQLite's file is damaged or an index is missing."""
    with contextlib.closing(sqlite3.connect(copy / DATABASE)) as database:
        for (finding,) in database.execute("PRAGMA integrity_check"):
            if finding.startswith("malformed inverted index"):
                say(f"WARNING: {finding}: the full-text index, which Chroma can rebuild")  # all other data is intact
            elif finding != "ok":
                raise Failure(f"{DATABASE} is damaged, probably in Chroma's data directory as well: {finding}")
        segments = database.execute("SELECT id, collection FROM segments WHERE scope = 'VECTOR'").fetchall()
        known = {segment for segment, _ in segments}
        for folder in copy.iterdir():
            if folder.is_dir() and folder.name not in known:
                remove(folder)  # of a deleted collection
        for segment, collection in segments:
            check_index(database, copy / segment, segment, collection)
        return database.execute("SELECT count(*) FROM embeddings").fetchone()[0]


def index_state(folder):
    """Returns what is wrong with the files of an index; an empty text if they fit together."""
    sizes = {name: (folder / name).stat().st_size if (folder / name).is_file() else -1 for name in INDEX_FILES}
    if missing := [name for name, size in sizes.items() if size < 0]:
        return f"the index has no {', '.join(missing)}"
    try:
        _, _, count, size = struct.unpack_from("<4Q", (folder / "header.bin").read_bytes(), 4)
        _, added = vectors(folder / "index_metadata.pickle")
        data, lengths = sizes["data_level0.bin"] / size, sizes["length.bin"] / 4  # some releases write empty ones as well
    except (struct.error, ValueError, EOFError, ZeroDivisionError) as error:
        return f"a file of the index is damaged ({error})"
    if count == added and data >= count and lengths >= count:
        return ""
    counts = {"header.bin": count, "index_metadata.pickle": added, "data_level0.bin": data, "length.bin": lengths}
    return "the files of the index differ: " + ", ".join(f"{name} has {n:g} vectors" for name, n in counts.items())


def check_index(database, folder, segment, collection):
    number = lambda value: value if isinstance(value, int) else int.from_bytes(value or b"", "big")
    own = "SELECT id FROM segments WHERE collection = ?"
    reached = dict(database.execute(f"SELECT segment_id, seq_id FROM max_seq_id WHERE segment_id IN ({own})", [collection]))
    least = min((number(seq_id) for seq_id in reached.values()), default=0)
    if number(reached.get(segment, 0)) == 0:
        return  # all records are still in the log
    if wrong := index_state(folder):
        raise Failure(f"collection {collection}: {wrong}, in Chroma's data directory as well: repair it as in README.md")
    records = database.execute(f"SELECT count(*) FROM embeddings WHERE segment_id IN ({own})", [collection]).fetchone()[0]
    topic, pending = f"%{collection}", "SELECT count(*) FROM embeddings_queue WHERE topic LIKE ? AND seq_id > ?"
    log = database.execute(pending, [topic, least]).fetchone()[0]
    indexed, _ = vectors(folder / "index_metadata.pickle")
    if abs(records - indexed) > log:
        say(f"WARNING: collection {collection} has {records} records, {indexed} vectors and {log} pending changes")


def vectors(path):
    """Returns the number of vectors in an index and of all additions to it, without executing the pickle."""
    field, text, count, added = None, None, 0, 0
    with open(path, "rb") as file:
        for opcode, argument, _ in pickletools.genops(file):
            if "UNICODE" in opcode.name:
                text = argument
            elif opcode.name == "EMPTY_DICT":
                field = text
            elif field == "id_to_label" and "INT" in opcode.name:
                count += 1
            elif text == "total_elements_added" and "INT" in opcode.name:
                added, text = argument, None
    return count, added


def numbers(version):
    return [int(part) for part in version.split(".")]


def opened(data):
    """Returns the release that last opened the data: this deployment's, or a newer one that the file names."""
    own, found = os.environ["CHROMA_VERSION"], ""
    with contextlib.suppress(OSError, ValueError):
        found = (data / OPENED).read_text().strip()
    return max(own, found, key=numbers) if re.fullmatch(r"\d+(\.\d+){2}", found) else own


def pack(copy, partial, records, version):
    names = sorted(str(path.relative_to(copy)) for path in copy.rglob("*") if path.is_file())
    entries = {name: {"bytes": (copy / name).stat().st_size, "sha256": digest(copy / name)} for name in names}
    manifest = copy / "manifest.json"
    manifest.write_text(json.dumps({"chroma": version, "records": records, "files": entries}))
    with open(partial, "wb") as out:
        with tarfile.open(fileobj=out, mode="w:gz", compresslevel=1) as archive:
            for name in ["manifest.json", *names]:
                archive.add(copy / name, name)
        out.flush()
        os.fsync(out.fileno())


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read(path, into=None):
    """Returns the manifest of a complete archive and unpacks its files if `into` is set."""
    try:
        with gzip.open(path) as stream, tarfile.open(fileobj=stream) as archive:
            manifest = json.load(archive.extractfile(archive.next()))
            rest = dict(manifest["files"])
            while member := archive.next():
                entry = rest.pop(member.name)
                if not FILE.fullmatch(member.name):
                    raise Failure(f"{path.name} is not a backup: it contains {member.name!r}; use another one")
                file, place = archive.extractfile(member), into and into / member.name
                if read_file(file, place) != (entry["bytes"], entry["sha256"]):
                    raise Failure(f"{path.name} is damaged: {member.name} differs from its manifest; use another one")
            while stream.read(1 << 20):
                pass  # until gzip's checksum
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Failure(f"{path.name} is damaged or not a backup ({error}); use another one") from None
    if rest:
        raise Failure(f"{path.name} ends before {', '.join(sorted(rest)[:3])}; use another one")
    return manifest


def read_file(file, place):
    seen, size = hashlib.sha256(), 0
    if place:
        place.parent.mkdir(exist_ok=True)
    with open(place, "xb") if place else contextlib.nullcontext() as out:
        while chunk := file.read(1 << 20):
            seen.update(chunk)
            size += len(chunk)
            if out:
                out.write(chunk)
        if out:
            out.flush()
            os.fsync(out.fileno())
    if place:
        sync(place.parent)
    return size, seen.hexdigest()


def sync(folder):
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove(path):
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
