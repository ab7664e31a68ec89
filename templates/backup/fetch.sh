#!/bin/sh
# Fetches the newest backup, or $ARCHIVE, from the store for restore.py.
set -eu
rclone lsf --files-only --include 'chroma-*.tar.gz' "$STORE" >"$BACKUPS/stored"
if [ "$ARCHIVE" = newest ]; then ARCHIVE=$(sort "$BACKUPS/stored" | tail -n 1); fi
if ! grep -qxF "$ARCHIVE" "$BACKUPS/stored"; then
    echo "no backup ${ARCHIVE:-at all} in $STORE; available:" >&2
    cat "$BACKUPS/stored" >&2
    exit 1
fi
rclone copyto "$STORE/$ARCHIVE" "$BACKUPS/$ARCHIVE"
echo "$ARCHIVE: fetched from $STORE"
