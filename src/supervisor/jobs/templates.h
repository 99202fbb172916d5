/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/verdict.h"
#include "supervisor/tenants/tenants.h"

/* What all jobs of a tenant share, and what is kept for the next: its mounts, built by the first
 * of them (exec/template.c), and its network. */
typedef struct Templates Templates;

int templates_new(sd_event *event, const Host *host, const Tenants *tenants, Templates **ret);
Templates *templates_free(Templates *ts);

/* For a launch. Borrowed, until anything else here is called. */
typedef struct Template {
        int mount_fd;   /* negative: to be made */
        int report_fd;  /* and told of, with the generation */
        int network_fd; /* negative: the host's */
        uint32_t generation;
        const char *paths;
        size_t paths_size;
} Template;

/* Negative errno with err and stage: it can't be said what the jobs may see, or nobody can be let
 * out. */
int templates_get(Templates *ts, const Tenant *t, Template *ret, TqStage *ret_stage, TqError *err);

/* The key of root's configuration and the path that an attempt's end is about (TqEnd.path), for a
 * message: escaped. False: it is not known any more. */
bool templates_describe(const Templates *ts, const Tenant *t, uint32_t path, char *buf,
                        size_t size);
