/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static bool is_set(const TqError *err) {
        return err->text[0] != '\0';
}

int tq_error(TqError *err, int code, const char *fmt, ...) {
        va_list ap;

        if (!err || is_set(err))
                return code;
        va_start(ap, fmt);
        (void)vsnprintf(err->text, sizeof(err->text), fmt, ap);
        va_end(ap);
        return code;
}

int tq_error_at(TqError *err, int code, unsigned line, const char *key, const char *fmt, ...) {
        va_list ap;

        if (!err || is_set(err))
                return code;
        err->line = line;
        (void)snprintf(err->key, sizeof(err->key), "%s", key ? key : "");
        va_start(ap, fmt);
        (void)vsnprintf(err->text, sizeof(err->text), fmt, ap);
        va_end(ap);
        return code;
}

bool tq_errno_is_shortage(int error) {
        static const int shortages[] = { ENOMEM, EMFILE, ENFILE, ENOBUFS, EAGAIN, EINTR, EIO };

        for (size_t i = 0; i < TQ_ELEMENTSOF(shortages); i++)
                if (error == -shortages[i])
                        return true;
        return false;
}

int tq_error_errno(TqError *err, int code, const char *fmt, ...) {
        va_list ap;
        size_t n;

        if (!err || is_set(err))
                return code;
        va_start(ap, fmt);
        (void)vsnprintf(err->text, sizeof(err->text), fmt, ap);
        va_end(ap);
        n = strlen(err->text);
        (void)snprintf(err->text + n, sizeof(err->text) - n, ": %s", strerror(-code));
        return code;
}

void tq_error_set_file(TqError *err, const char *file) {
        if (err && err->file[0] == '\0')
                (void)snprintf(err->file, sizeof(err->file), "%s", file);
}

const char *tq_error_format(const TqError *err, char *buf, size_t size) {
        char line[16] = "";

        if (err->line > 0)
                (void)snprintf(line, sizeof(line), "%s%u", err->file[0] ? ":" : "line ", err->line);
        (void)snprintf(buf, size, "%s%s%s%s%s%s", err->file, line,
                       err->file[0] || line[0] ? ": " : "", err->key, err->key[0] ? ": " : "",
                       err->text);
        return buf;
}
