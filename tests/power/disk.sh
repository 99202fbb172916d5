# shellcheck shell=bash
# tests/power/disk.sh - a disk whose writes and flushes are written down in order; to be sourced after daemon.sh.
#
# It is a file of recorder.py's, by FUSE, below two loop devices: the kernel's ext4 and SQLite's files on it are as on
# any disk, and each request that reaches it is in the log, in the order in which it was answered. The spool is a file
# system of its own, as the host's may be: a sync of the ledger's then does nothing for a claim's rename.
# Behind both there is one sector for marks: what is said and done outside is written there, and so has its place
# in the log. No virtual machine, no module.

MiB=$((1 << 20))
P_SPOOL=$((16 * MiB)) P_STATE=$((64 * MiB))
P_SIZE=$((P_SPOOL + P_STATE + MiB))
export POWER_MARKS=$(((P_SPOOL + P_STATE) / 512))

# p_record LOG: from now on $D/device is a new disk whose writes are in LOG.
p_record() {
        : >"$D/device"
        # A process whose end is not the case's: it is mounted on.
        setsid "$D_PYTHON" tests/power/recorder.py "$D/device" "$P_SIZE" "$1" >"$D/recorder.log" 2>&1 </dev/null &
        disown
        t_wait 5 mountpoint -q "$D/device"
}

# Others' mount namespaces may have it for a while: what a disk is given after the mark "cut" is not looked at.
p_recorder_ends() {
        ! mountpoint -q "$D/device" || umount -l "$D/device"
}

p_format() {
        local offset=0 bytes dir
        for dir in spool state; do
                bytes=$([ $dir = spool ] && echo "$P_SPOOL" || echo "$P_STATE")
                mkfs.ext4 -q -F -b 4096 -E "offset=$offset,lazy_itable_init=0,lazy_journal_init=0,nodiscard" \
                        "$1" $((bytes / 1024))k
                offset=$bytes
        done
}

# p_mount FILE: its two file systems are the spool and the state, with what jobs print. P_OPTIONS: of ext4(5).
p_mount() {
        mount -o "loop,offset=0,sizelimit=$P_SPOOL,${P_OPTIONS-rw}" "$1" "$D/spool"
        mount -o "loop,offset=$P_SPOOL,sizelimit=$P_STATE,${P_OPTIONS-rw}" "$1" "$D/state"
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
