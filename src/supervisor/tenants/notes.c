/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "supervisor/tenants/notes.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/format.h"
#include "base/fs.h"

/* What only a person can mend, while the tenant is otherwise in order: a file that can't be taken,
 * watches that are used up. The first ones are told to the engine, which shows them in `tenants`
 * and records each as an event; each goes away with its cause. What is beyond that is met again
 * when there is room; of files that a tenant makes some room is left for the rest. Tenants' bytes
 * in it are escaped by the caller. */

struct Note {
        char *file; /* what it is about; empty: the tenant as a whole */
        char *text;
};

static bool is_of_file(const char *file) {
        return file[0] != '\0' && file[0] != NOTES_OURS[0];
}

/* What stands, one sentence behind the other; one that does not fit is left out as a whole. */
static void write_down(Tenant *t) {
        size_t at = 0;

        t->note[0] = '\0';
        for (size_t i = 0; i < t->n_notes; i++) {
                size_t n = strlen(t->notes[i].text) + (at > 0 ? strlen(TQ_NOTES_BETWEEN) : 0);

                if (at + n < sizeof(t->note))
                        at += (size_t)snprintf(t->note + at, sizeof(t->note) - at, "%s%s",
                                               at > 0 ? TQ_NOTES_BETWEEN : "", t->notes[i].text);
        }
}

static void drop(Tenant *t, size_t i) {
        free(t->notes[i].file);
        free(t->notes[i].text);
        t->n_notes--;
        memmove(&t->notes[i], &t->notes[i + 1], (t->n_notes - i) * sizeof(*t->notes));
}

static bool stands(const Tenant *t, const char *file) {
        for (size_t i = 0; i < t->n_notes; i++)
                if (strcmp(t->notes[i].file, file) == 0)
                        return true;
        return false;
}

bool notes_set(Tenants *ts, Tenant *t, const char *file, const char *fmt, ...) {
        size_t room = is_of_file(file) ? NOTES_MAX / 2 : NOTES_MAX;
        char text[TQ_MESSAGE_TEXT_MAX], whole[TQ_MESSAGE_TEXT_MAX];
        Note note;
        va_list ap;

        if (stands(t, file))
                return true;
        if (!t->notes)
                t->notes = calloc(NOTES_MAX, sizeof(*t->notes));
        if (!t->notes || t->n_notes >= room)
                return false;
        va_start(ap, fmt);
        (void)vsnprintf(text, sizeof(text), fmt, ap);
        va_end(ap);
        /* It may have been cut within a character; and nothing in it ends the sentence. */
        note = (Note){ .file = strdup(file),
                       .text = strdup(tq_format_shown(text, whole, sizeof(whole))) };
        if (!note.file || !note.text) {
                free(note.file);
                free(note.text);
                return false;
        }
        t->notes[t->n_notes++] = note;
        write_down(t);
        tenants_announce(ts, t);
        return true;
}

void notes_clear(Tenants *ts, Tenant *t, const char *file) {
        for (size_t i = 0; i < t->n_notes; i++)
                if (strcmp(t->notes[i].file, file) == 0) {
                        drop(t, i);
                        write_down(t);
                        tenants_announce(ts, t);
                        return;
                }
}

void notes_clear_gone(Tenants *ts, Tenant *t) {
        for (size_t i = t->n_notes; i-- > 0;)
                if (is_of_file(t->notes[i].file) &&
                    !tq_fs_is_within(t->spool_fd, t->notes[i].file)) {
                        drop(t, i);
                        write_down(t);
                        tenants_announce(ts, t);
                }
}

void notes_drop_files(Tenant *t) {
        for (size_t i = t->n_notes; i-- > 0;)
                if (is_of_file(t->notes[i].file))
                        drop(t, i);
        write_down(t);
}

void notes_done(Tenant *t) {
        while (t->n_notes > 0)
                drop(t, t->n_notes - 1);
        free(t->notes);
        t->notes = NULL;
}
