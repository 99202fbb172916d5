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

/* What `tenantqd --check` says. */
typedef struct ConfigCheck {
        bool was_run;   /* else there is none */
        bool has_ended; /* in time */
        size_t n_errors, n_warnings;
        char error[300], warning[300]; /* the first of each */
} ConfigCheck;

typedef struct Host {
        const Options *options;
        const char *config_dir;
        TqHostConfig *config; /* the defaults, if it can't be read */
        char config_error[300];
        ConfigCheck check;
} Host;

/* *ret is OK and empty before. */
typedef struct DoctorCheck {
        const char *name;
        void (*look)(const Host *h, Finding *ret);
} DoctorCheck;

/* doctor_host.c: the kernel and what it was started with; doctor_config.c; doctor_files.c:
 * directories, users, the service; doctor_network.c */
extern const DoctorCheck doctor_host[], doctor_config[], doctor_files[], doctor_network[];
extern const size_t n_doctor_host, n_doctor_config, n_doctor_files, n_doctor_network;

void doctor_say(Finding *f, DoctorGrade grade, const char *fmt, ...) TQ_PRINTF(3, 4);
void doctor_mend(Finding *f, const char *fmt, ...) TQ_PRINTF(2, 3);

/* Runs tenantqd --check. */
void doctor_check_config(const char *config_dir, ConfigCheck *ret);

/* How many tenants' files say so, and the names of the first `most` of them. Negative errno: none
 * that can be read does, and *ret names one that can't be. */
int doctor_tenants_with(const Host *h, bool (*has)(const TqTenantConfig *c), int most, char *ret,
                        size_t size);
/* The same as a finding: it may say so. */
void doctor_say_unread(Finding *f, const char *file, int error, const char *what);
