"""Restores a backup while Chroma is stopped.

Invariants: existing data is not changed before the archive was read completely, unpacked next to it and
checked; existing data is moved aside, never deleted.

Reads the variables DATA, BACKUPS, ARCHIVE (a name, or `newest`), CHROMA_VERSION and CHROMA_URL.
"""

import contextlib
import os
import shutil
import sqlite3
import time
import urllib.error
import urllib.request

from archive import ARCHIVES, DATABASE, OPENED, Failure, check, numbers, read, remove, run, say, sync


def restore(data, backups):
    path = chosen(backups)
    refuse_if_running()
    say(f"verifying {path.name}")
    manifest = read(path)
    refuse_if_newer(manifest["chroma"])
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    new, aside = data / f"restoring-{stamp}", data / f"before-restore-{stamp}"
    with closed_to_others(data):
        for left in data.glob("restoring-*"):
            remove(left)
        need, room = sum(file["bytes"] for file in manifest["files"].values()), shutil.disk_usage(data).free
        if room < need + (16 << 20):
            raise Failure(f"{need >> 20} MiB are needed in addition to the existing data, and {room >> 20} MiB are free: enlarge the volume")
        try:
            new.mkdir()
            read(path, new)
            check(new)
            record(new, manifest["chroma"])
        except BaseException:
            remove(new)
            raise
        swap(data, new, aside)
    say(f"restored {manifest['records']} records of Chroma {manifest['chroma']} from {path.name}")
    say(f"the previous data is in {aside}")


def chosen(backups):
    name = os.environ.get("ARCHIVE", "newest")
    there = sorted(path.name for path in backups.glob(ARCHIVES))
    if name != "newest" and name not in there:
        raise Failure(f"no backup {name}; available: {', '.join(there) or 'none'}")
    if not there:
        raise Failure("no backup found")
    return backups / (there[-1] if name == "newest" else name)


def refuse_if_running():
    with contextlib.suppress(OSError):
        try:
            urllib.request.urlopen(os.environ["CHROMA_URL"], timeout=5).close()
        except urllib.error.HTTPError:
            pass
        raise Failure("Chroma is running: stop it and retry")


def refuse_if_newer(version):
    own = os.environ["CHROMA_VERSION"]
    if numbers(version) > numbers(own):
        raise Failure(f"the backup is of Chroma {version}, whose data {own} cannot read: set chroma.version to {version}")


def record(folder, version):
    """Writes the release that the restored data belongs to, for Chroma's entrypoint."""
    with open(folder / OPENED, "w") as file:
        file.write(f"{version}\n")
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def closed_to_others(data):
    """Holds SQLite's lock if there is a database that can be locked."""
    if not (data / DATABASE).is_file():
        yield
        return
    with contextlib.closing(sqlite3.connect(data / DATABASE, timeout=5, isolation_level=None)) as lock:
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise Failure("Chroma's data is in use: stop Chroma and retry") from None
            say(f"the existing database is damaged ({error}) and is moved aside as well")
        yield


def swap(data, new, aside):
    aside.mkdir()
    for entry in data.iterdir():
        if entry.name != "lost+found" and not entry.name.startswith(("before-restore-", "restoring-")):
            entry.rename(aside / entry.name)
    sync(aside)
    for entry in new.iterdir():
        entry.rename(data / entry.name)
    new.rmdir()
    sync(data)


if __name__ == "__main__":
    run(restore)
