/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the nouns of state/ share of a Store. Internal to state/. */
#pragma once

#include "state/record.h"
#include "state/store.h"

/* The connection; owned by the store. */
Sqlite *store_sqlite(Store *store);

/* The rows of t_action, for history.c's reader. */
const RecordType *journal_record_type(void);
