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
oldest=
if [ -n "${KEEP_DAYS-}" ]; then
    oldest=$(date -u -d "@$(($(date +%s) - KEEP_DAYS * 86400))" +chroma-%Y%m%dT%H%M%SZ)
fi
sort -r "$BACKUPS/stored" | awk -v keep="$KEEP" -v oldest="$oldest" 'NR > keep || NR > 1 && $0 < oldest' >"$BACKUPS/old"
while read -r old; do
    rclone deletefile "$STORE/$old"
    echo "$old: deleted, keeping $KEEP${KEEP_DAYS:+ of the last $KEEP_DAYS days}"
done <"$BACKUPS/old"
