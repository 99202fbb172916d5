# shellcheck shell=bash
# tests/power/disk.sh - a disk whose writes and flushes are written down in order; to be sourced after daemon.sh.
#
# It is a file that qemu-storage-daemon exports by FUSE, below two loop devices: the kernel's ext4 and SQLite's files
# on it are as on any disk, and each request that reaches it is in the log, in the order in which it was answered. The
# spool is a file system of its own, as the host's may be: a sync of the ledger's then does nothing for a claim's rename.
# Behind both there is one sector for marks: what is said and done outside is written there, and so has its place
# in the log. No virtual machine, no module.

MiB=$((1 << 20))
P_SPOOL=$((16 * MiB)) P_STATE=$((64 * MiB))
P_SIZE=$((P_SPOOL + P_STATE + MiB))
export POWER_MARKS=$(((P_SPOOL + P_STATE) / 512))

# p_record LOG: from now on $D/device is a new disk whose writes are in LOG.
p_record() {
        : >"$1"
        : >"$D/device"
        truncate -s "$P_SIZE" "$D/platter"
        # shellcheck disable=SC2016 # expanded by the inner shell
        setsid bash -c 'echo $$ >"$0" && exec "$@"' "$D/recorder.pid" qemu-storage-daemon \
                --blockdev "driver=file,node-name=platter,filename=$D/platter" \
                --blockdev "driver=file,node-name=log,filename=$1,cache.no-flush=on" \
                --blockdev driver=blklogwrites,node-name=logged,file=platter,log=log \
                --export "type=fuse,id=disk,node-name=logged,mountpoint=$D/device,writable=on,allow-other=on" \
                >"$D/recorder.log" 2>&1 </dev/null &
        disown
        t_wait 5 mountpoint -q "$D/device"
        chmod 0666 "$D/device" # jobs say themselves that they run
}

p_recorder_ends() {
        kill "$(cat "$D/recorder.pid")" 2>/dev/null || true
        t_wait 5 p_is_no_device
}

p_is_no_device() {
        ! mountpoint -q "$D/device"
}

p_format() {
        local offset=0 bytes dir
        for dir in spool state; do
                bytes=$([ $dir = spool ] && echo "$P_SPOOL" || echo "$P_STATE")
                mkfs.ext4 -q -F -b 4096 -E "offset=$offset,lazy_itable_init=0,lazy_journal_init=0,nodiscard" "$1" $((bytes / 1024))k
                offset=$bytes
        done
}

# p_mount FILE: its two file systems are the spool and the state, with what jobs print.
p_mount() {
        mount -o "loop,offset=0,sizelimit=$P_SPOOL" "$1" "$D/spool"
        mount -o "loop,offset=$P_SPOOL,sizelimit=$P_STATE" "$1" "$D/state"
        rmdir "$D"/{spool,state}/lost+found 2>/dev/null || true
        mkdir -p "$D/state/logs"
        mount --bind "$D/state/logs" "$D/logs"
}

p_umount() {
        local dir
        for dir in logs state spool; do
                ! mountpoint -q "$D/$dir" || umount "$D/$dir" || return 1
        done
}

# mark WORD NAME: here, in the order of the disk's writes. The same line of a job's program: witness_payload.
mark() {
        echo "$*" | dd of="$D/device" bs=512 count=1 seek="$POWER_MARKS" conv=notrunc,sync status=none
}
