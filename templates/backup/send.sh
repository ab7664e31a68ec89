#!/bin/sh
# Sends the new backup to the store and deletes the oldest ones there.
# Invariant: the store has the new backup, with its size and checksum, before an old one is deleted.
set -eu
path=$(find "$BACKUPS" -name 'chroma-*.tar.gz')
archive=$(basename "$path")
rclone copyto "$path" "$STORE/$archive"
echo "$archive: sent to $STORE"
rclone lsf --files-only --include 'chroma-*.tar.gz' "$STORE" >"$BACKUPS/stored"
grep -qxF "$archive" "$BACKUPS/stored"
sort -r "$BACKUPS/stored" | tail -n "+$((KEEP + 1))" >"$BACKUPS/old"
while read -r old; do
    rclone deletefile "$STORE/$old"
    echo "$old: deleted, keeping $KEEP"
done <"$BACKUPS/old"
