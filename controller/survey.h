/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "controller/config.h"
#include "controller/directory.h"
#include "reconcile/prune.h"
#include "state/store.h"

/*
 * Survey: the domains directory as it is now, and what that means for domains whose file is gone,
 * given what the state manages and which directory it last accepted.
 */
typedef struct Survey {
    DirectoryScan *scan;
    PruneDecision *prune;
} Survey;

void survey_clear(Survey *survey);

/* Reads the directory. @is_acting: remember the directory when it is accepted (the store must be
 * writable). @accept: the operator vouches for it. False with @error when the state can't be read or
 * written. */
bool survey_take(const Config *config, Store *store, DirectoryCache *cache, bool accept,
                 bool is_acting, Survey *ret_survey, GError **error);
