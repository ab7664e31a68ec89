#!/bin/sh
# Fetches a backup from the store, for restore.py to read: the newest, or the one that $ARCHIVE names.
set -eu
rclone lsf --files-only --include 'chroma-*.tar.gz' "$STORE" >"$BACKUPS/stored"
if [ "$ARCHIVE" = newest ]; then ARCHIVE=$(sort "$BACKUPS/stored" | tail -n 1); fi
if ! grep -qxF "$ARCHIVE" "$BACKUPS/stored"; then
    echo "there is no backup ${ARCHIVE:-at all} in $STORE; there are:" >&2
    cat "$BACKUPS/stored" >&2
    exit 1
fi
rclone copyto "$STORE/$ARCHIVE" "$BACKUPS/$ARCHIVE"
echo "$ARCHIVE: fetched from $STORE"
