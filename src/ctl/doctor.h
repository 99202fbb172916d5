/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "conf/hostfile.h"
#include "ctl/options.h"

/* Whether this host is fit to run tenantq: what doctor.c asks, one question a row. */

typedef enum DoctorGrade {
        DOCTOR_OK,
        DOCTOR_WARN, /* it runs, but something of it does not do what it could */
        DOCTOR_FAIL, /* it does not run, or not safely */
        _DOCTOR_GRADE_MAX,
} DoctorGrade;

typedef struct Finding {
        DoctorGrade grade;
        char text[384]; /* what is so */
        char mend[384]; /* what to do; empty if nothing */
} Finding;

typedef struct Host {
        const Options *options;
        const char *config_dir;
        TqHostConfig *config; /* the defaults, if it can't be read */
        char config_error[768];
} Host;

/* *ret is OK and empty before. */
typedef struct DoctorCheck {
        const char *name;
        void (*look)(const Host *h, Finding *ret);
} DoctorCheck;

/* doctor_host.c: the kernel and what it was started with; doctor_files.c: directories, users, the
 * service; doctor_network.c */
extern const DoctorCheck doctor_host[], doctor_files[], doctor_network[];
extern const size_t n_doctor_host, n_doctor_files, n_doctor_network;

void doctor_say(Finding *f, DoctorGrade grade, const char *fmt, ...) TQ_PRINTF(3, 4);
void doctor_mend(Finding *f, const char *fmt, ...) TQ_PRINTF(2, 3);
