#!/bin/sh
# Sends the backup that was just made to the store, and deletes those that are too old there.
# Invariant: the store has the new one, by its size and its checksum, before an older one goes.
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
    echo "$old: deleted, $KEEP are kept"
done <"$BACKUPS/old"
