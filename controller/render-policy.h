/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "controller/config.h"
#include "model/json.h"
#include "model/spec.h"

/* The policy in force for one domain, value by value, with the place that says so. */
typedef struct PolicyLine {
    const char *name; /* static: "run-strategy" */
    char *value;
    char *source; /* "default", "virtkeep.yaml, override web-*", "web-1.xml:7" */
} PolicyLine;

/* @spec: the domain's file, or NULL. PolicyLine*; caller unrefs. */
GPtrArray *policy_lines(const Config *config, const char *domain_name, const Spec *spec);
/* {"run-strategy": {"value", "source"}, …}; caller frees. */
Json *policy_lines_json(const GPtrArray *lines);
