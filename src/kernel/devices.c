/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel/devices.h"

#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

/* The program looks at what is asked for (type, access, major, minor) and compares it with one rule
 * after another; it is written out here, since it is eight instructions a rule. Attached with
 * ALLOW_MULTI: others' programs on the cgroups above are asked too, and all must agree. */

#define INSNS_OF_RULE 6
#define ALL_ACCESS    7u /* BPF_DEVCG_ACC_MKNOD | READ | WRITE */
#define ANY           UINT32_MAX
#define PROGRAMS_MAX  64

typedef struct Rule {
        uint32_t type, access; /* BPF_DEVCG_* */
        uint32_t major_number, minor_number;
} Rule;

/* Those of exec/dev.c, which makes the nodes, and the terminals of the job's own devpts (5:2,
 * 136 to 143, Documentation/admin-guide/devices.txt). */
static const Rule always[] = {
        { BPF_DEVCG_DEV_CHAR, ALL_ACCESS, 1, 3 },     { BPF_DEVCG_DEV_CHAR, ALL_ACCESS, 1, 5 },
        { BPF_DEVCG_DEV_CHAR, ALL_ACCESS, 1, 7 },     { BPF_DEVCG_DEV_CHAR, ALL_ACCESS, 1, 8 },
        { BPF_DEVCG_DEV_CHAR, ALL_ACCESS, 1, 9 },     { BPF_DEVCG_DEV_CHAR, ALL_ACCESS, 5, 0 },
        { BPF_DEVCG_DEV_CHAR, ALL_ACCESS, 5, 2 },     { BPF_DEVCG_DEV_CHAR, ALL_ACCESS, 136, ANY },
        { BPF_DEVCG_DEV_CHAR, ALL_ACCESS, 137, ANY }, { BPF_DEVCG_DEV_CHAR, ALL_ACCESS, 138, ANY },
        { BPF_DEVCG_DEV_CHAR, ALL_ACCESS, 139, ANY }, { BPF_DEVCG_DEV_CHAR, ALL_ACCESS, 140, ANY },
        { BPF_DEVCG_DEV_CHAR, ALL_ACCESS, 141, ANY }, { BPF_DEVCG_DEV_CHAR, ALL_ACCESS, 142, ANY },
        { BPF_DEVCG_DEV_CHAR, ALL_ACCESS, 143, ANY },
};

typedef struct Program {
        struct bpf_insn code[8 + (TQ_ELEMENTSOF(always) + TQ_DEVICES_MAX) * INSNS_OF_RULE];
        size_t n;
} Program;

static void emit(Program *p, uint8_t code, uint8_t dst, uint8_t src, int16_t off, int32_t imm) {
        p->code[p->n++] = (struct bpf_insn){
                .code = code, .dst_reg = dst & 0xF, .src_reg = src & 0xF, .off = off, .imm = imm
        };
}

/* r2: type, r3: access, r4: major, r5: minor; r6 is spent. */
static void emit_rule(Program *p, const Rule *r) {
        bool is_any = r->minor_number == ANY;

        emit(p, BPF_JMP | BPF_JNE | BPF_K, BPF_REG_2, 0, is_any ? 4 : 5, (int32_t)r->type);
        emit(p, BPF_JMP | BPF_JSET | BPF_K, BPF_REG_3, 0, is_any ? 3 : 4,
             (int32_t)(~r->access & ALL_ACCESS));
        emit(p, BPF_JMP | BPF_JNE | BPF_K, BPF_REG_4, 0, is_any ? 2 : 3, (int32_t)r->major_number);
        if (!is_any)
                emit(p, BPF_JMP | BPF_JNE | BPF_K, BPF_REG_5, 0, 2, (int32_t)r->minor_number);
        emit(p, BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, 1);
        emit(p, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

static void write_program(Program *p, const TqDevice *devices, size_t n) {
        emit(p, BPF_LDX | BPF_MEM | BPF_W, BPF_REG_3, BPF_REG_1,
             offsetof(struct bpf_cgroup_dev_ctx, access_type), 0);
        emit(p, BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_2, BPF_REG_3, 0, 0);
        emit(p, BPF_ALU64 | BPF_AND | BPF_K, BPF_REG_2, 0, 0, 0xFFFF);
        emit(p, BPF_ALU64 | BPF_RSH | BPF_K, BPF_REG_3, 0, 0, 16);
        emit(p, BPF_LDX | BPF_MEM | BPF_W, BPF_REG_4, BPF_REG_1,
             offsetof(struct bpf_cgroup_dev_ctx, major), 0);
        emit(p, BPF_LDX | BPF_MEM | BPF_W, BPF_REG_5, BPF_REG_1,
             offsetof(struct bpf_cgroup_dev_ctx, minor), 0);
        for (size_t i = 0; i < TQ_ELEMENTSOF(always); i++)
                emit_rule(p, &always[i]);
        for (size_t i = 0; i < n; i++)
                emit_rule(p,
                          &(Rule){
                                  devices[i].is_block ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR,
                                  (devices[i].access & TQ_DEVICE_READ ? BPF_DEVCG_ACC_READ : 0U) |
                                          (devices[i].access & TQ_DEVICE_WRITE ? BPF_DEVCG_ACC_WRITE
                                                                               : 0U),
                                  devices[i].major_number,
                                  devices[i].minor_number,
                          });
        emit(p, BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, 0);
        emit(p, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

static int bpf(int command, union bpf_attr *attr) {
        long r = syscall(SYS_bpf, command, attr, sizeof(*attr));

        return r < 0 ? tq_errno() : (int)r;
}

static int load(const Program *p) {
        union bpf_attr attr = {
                .prog_type = BPF_PROG_TYPE_CGROUP_DEVICE,
                .insns = (uint64_t)(uintptr_t)p->code,
                .insn_cnt = (uint32_t)p->n,
                .license = (uint64_t)(uintptr_t) "LGPL",
        };

        return bpf(BPF_PROG_LOAD, &attr);
}

static int attach(int command, int cgroup_fd, int program_fd) {
        union bpf_attr attr = {
                .target_fd = (uint32_t)cgroup_fd,
                .attach_bpf_fd = (uint32_t)program_fd,
                .attach_type = BPF_CGROUP_DEVICE,
                .attach_flags = command == BPF_PROG_ATTACH ? BPF_F_ALLOW_MULTI : 0,
        };

        return bpf(command, &attr);
}

/* Those on this cgroup itself: nobody but us has put them there. */
static int find_attached(int cgroup_fd, uint32_t ids[PROGRAMS_MAX], uint32_t *ret_n) {
        union bpf_attr attr = {
                .query = { .target_fd = (uint32_t)cgroup_fd,
                           .attach_type = BPF_CGROUP_DEVICE,
                           .prog_ids = (uint64_t)(uintptr_t)ids,
                           .prog_cnt = PROGRAMS_MAX },
        };
        int r = bpf(BPF_PROG_QUERY, &attr);

        *ret_n = r < 0 ? 0 : attr.query.prog_cnt;
        return r;
}

static void detach(int cgroup_fd, uint32_t id) {
        union bpf_attr attr = { .prog_id = id };
        TQ_CLOSE int fd = bpf(BPF_PROG_GET_FD_BY_ID, &attr);

        if (fd >= 0)
                (void)attach(BPF_PROG_DETACH, cgroup_fd, fd);
}

int tq_devices_restrict(int cgroup_fd, const TqDevice *devices, size_t n) {
        TQ_CLOSE int fd = -EBADF;
        uint32_t old[PROGRAMS_MAX] = { 0 }, n_old;
        Program p = {};
        int r;

        if (n > TQ_DEVICES_MAX)
                return -E2BIG;
        write_program(&p, devices, n);
        fd = load(&p);
        if (fd < 0)
                return fd;
        r = find_attached(cgroup_fd, old, &n_old);
        if (r >= 0)
                r = attach(BPF_PROG_ATTACH, cgroup_fd, fd);
        /* Until the older ones are gone, both are asked. */
        for (uint32_t i = 0; r >= 0 && i < n_old; i++)
                detach(cgroup_fd, old[i]);
        return r;
}

int tq_devices_parse(const char *text, char *ret_path, size_t size, TqDevice *ret) {
        const char *colon = strchr(text, ':');
        size_t n = colon ? (size_t)(colon - text) : strlen(text);
        struct stat st;

        *ret = (TqDevice){ .access = TQ_DEVICE_READ | TQ_DEVICE_WRITE };
        if (colon && strcmp(colon, ":r") == 0)
                ret->access = TQ_DEVICE_READ;
        else if (colon && strcmp(colon, ":w") == 0)
                ret->access = TQ_DEVICE_WRITE;
        else if (colon && strcmp(colon, ":rw") != 0)
                return -EINVAL;
        if (strncmp(text, "/dev/", 5) != 0 || n < 6 || n >= size)
                return -EINVAL;
        (void)snprintf(ret_path, size, "%.*s", (int)n, text);
        if (stat(ret_path, &st) < 0)
                return tq_errno();
        if (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode))
                return -ENOTBLK;
        ret->is_block = S_ISBLK(st.st_mode);
        ret->major_number = major(st.st_rdev);
        ret->minor_number = minor(st.st_rdev);
        return 0;
}
