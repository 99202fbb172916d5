/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/api/question.h"
#include "engine/api/verbs.h"

int verb_get_job(Call *c) {
        return question_ask_about_job(c);
}
