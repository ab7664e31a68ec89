"""Backs up Chroma's data while Chroma runs.

Chroma keeps records in SQLite and the index of each collection in a directory that it updates in place.
SQLite stores how far each index goes, and its log holds the later changes. Both are copied as of one
moment: additions wait while SQLite is copied and succeed afterwards (measured with Chroma 0.6.3, 1.0.20
and 1.5.9); queries continue.
Invariant: an archive gets its name only after it was read completely; old ones are deleted after that.

Reads the variables DATA, BACKUPS, KEEP, KEEP_DAYS (optional) and CHROMA_VERSION.
"""

import contextlib
import os
import shutil
import sqlite3
import time

from archive import ARCHIVES, DATABASE, INDEX, Failure, check, opened, pack, read, remove, run, say, sync

QUIET = 2  # seconds without a change, after which a write to an index has ended


def backup(data, backups):
    for left in (*backups.glob("*.partial"), *backups.glob("copy-*")):
        remove(left)
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    copy, partial = backups / f"copy-{stamp}", backups / f"chroma-{stamp}.partial"
    try:
        copy.mkdir()
        take(data, copy)
        records = check(copy)
        pack(copy, partial, records, opened(data))
        read(partial)
        archive = partial.with_name(f"chroma-{stamp}.tar.gz")
        partial.rename(archive)
        sync(backups)
    finally:
        remove(copy)
        remove(partial)
    say(f"{archive.name}: {records} records, {archive.stat().st_size >> 10} KiB, verified")
    delete_old(backups)


def delete_old(backups):
    """Deletes archives beyond the newest KEEP and those older than KEEP_DAYS, but never the newest one."""
    keep, days = int(os.environ["KEEP"]), os.environ.get("KEEP_DAYS")
    limit = time.time() - int(days) * 86400 if days else 0
    oldest = time.strftime("chroma-%Y%m%dT%H%M%SZ", time.gmtime(limit))
    archives = sorted(backups.glob(ARCHIVES), reverse=True)
    for index, old in enumerate(archives[1:], 1):
        if index >= keep or old.name < oldest:
            old.unlink()
            say(f"{old.name}: deleted, keeping {keep}" + (f" of the last {days} days" if days else ""))


def take(data, copy):
    """Copies database and indexes as of one moment."""
    if not (data / DATABASE).is_file():
        raise Failure(f"{data} has no {DATABASE}: it is not Chroma's data directory")
    source = f"file:{data / DATABASE}?mode=rw"
    for _ in range(5):
        copied = copy_indexes(data, copy, {})
        with contextlib.closing(sqlite3.connect(source, uri=True, timeout=60, isolation_level=None)) as lock:
            lock.execute("BEGIN IMMEDIATE")  # from here on, writers wait
            began = time.monotonic()
            before = quiet(data)
            (copy / DATABASE).unlink(missing_ok=True)
            with contextlib.closing(sqlite3.connect(source, uri=True)) as reader:
                with contextlib.closing(sqlite3.connect(copy / DATABASE)) as written:
                    reader.backup(written)
            copied = copy_indexes(data, copy, copied)
            unchanged = before == files(data)
            lock.execute("ROLLBACK")
        if unchanged and copied.keys() == before.keys():
            say(f"copied; additions waited {time.monotonic() - began:.1f} s")
            return
        say("an index changed during the copy: retrying")
    raise Failure("indexes changed during every attempt: choose a time with fewer additions")


def files(data):
    """Returns the files of all indexes, each with a state that changes when the file is written."""
    found = {}
    for folder in data.iterdir():
        if INDEX.fullmatch(folder.name):
            with contextlib.suppress(FileNotFoundError):
                for file in folder.iterdir():
                    status = file.stat()
                    found[f"{folder.name}/{file.name}"] = (status.st_ino, status.st_size, status.st_mtime_ns)
    return found


def quiet(data):
    """Waits until writes to the indexes have ended and returns the files."""
    deadline = time.monotonic() + 120
    while True:
        found = files(data)
        if time.time_ns() - max((mtime for _, _, mtime in found.values()), default=0) > QUIET * 10**9:
            return found
        if time.monotonic() > deadline:
            raise Failure("indexes change continuously: choose a time with fewer additions")
        time.sleep(0.2)


def copy_indexes(data, copy, copied):
    """Copies the files that changed since `copied` and returns the current ones, as `files` does."""
    now, found = time.time_ns(), files(data)
    for name in copied.keys() - found.keys():
        (copy / name).unlink(missing_ok=True)
    for name, state in found.items():
        if copied.get(name) != state:
            (copy / name).parent.mkdir(exist_ok=True)
            try:
                shutil.copyfile(data / name, copy / name)
            except FileNotFoundError:
                (copy / name).unlink(missing_ok=True)
        if now - state[2] < QUIET * 10**9:
            found[name] = None  # too recent: another write might not change the state
    return found


if __name__ == "__main__":
    run(backup)
