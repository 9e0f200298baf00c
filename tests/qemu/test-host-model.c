/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The host's CPU by name: which model is nearest is a pure choice; that the model found is, with
 * its features, the very CPU that TCG has at most is what the real QEMU says of both.
 */
#include "qemu/host-model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "qemu/probe-session.h"
#include "qemu/probe.h"
#include "tests/qemu/paused-qemu.h"

/* --- the choice --- */

static char *
choose(const char *host_text, const char *models_text)
{
    g_autoptr(Json) host = json_parse(host_text, -1, NULL);
    g_autoptr(Json) models = json_parse(models_text, -1, NULL);
    g_autoptr(Json) chosen = host_model_choose(host, models);

    assert_true(host && models);
    return chosen ? json_format(chosen, false) : NULL;
}

static void
test_choices(void **state)
{
    static const struct {
        const char *host, *models, *chosen;
    } cases[] = {
        /* The nearest; what differs, both ways, in order. */
        { "{\"vendor\":\"A\",\"family\":6,\"model\":1,\"b\":true,\"a\":true,\"c\":false}",
          "[{\"name\":\"far\",\"properties\":{\"vendor\":\"A\",\"a\":false,\"b\":false,\"c\":true}}"
          ","
          "{\"name\":\"near\",\"properties\":{\"vendor\":\"A\",\"a\":false,\"b\":true,\"c\":true}}"
          "]",
          "{\"model\":\"near\",\"features\":{\"a\":true,\"c\":false}}" },
        /* Adding is better than taking away. */
        { "{\"vendor\":\"A\",\"a\":true,\"b\":false}",
          "[{\"name\":\"more\",\"properties\":{\"vendor\":\"A\",\"a\":true,\"b\":true}},"
          "{\"name\":\"less\",\"properties\":{\"vendor\":\"A\",\"a\":false,\"b\":false}}]",
          "{\"model\":\"less\",\"features\":{\"a\":true}}" },
        /* The vendor goes before the distance. */
        { "{\"vendor\":\"A\",\"a\":true,\"b\":true}",
          "[{\"name\":\"own\",\"properties\":{\"vendor\":\"A\",\"a\":false,\"b\":false}},"
          "{\"name\":\"foreign\",\"properties\":{\"vendor\":\"B\",\"a\":true,\"b\":true}}]",
          "{\"model\":\"own\",\"features\":{\"a\":true,\"b\":true}}" },
        /* Of equals the host's own chip, else the later one. */
        { "{\"vendor\":\"A\",\"family\":6,\"model\":2,\"a\":true}",
          "[{\"name\":\"chip\",\"properties\":{\"vendor\":\"A\",\"family\":6,\"model\":2,"
          "\"a\":true}},"
          "{\"name\":\"other\",\"properties\":{\"vendor\":\"A\",\"family\":6,\"model\":3,"
          "\"a\":true}}]",
          "{\"model\":\"chip\",\"features\":{}}" },
        { "{\"vendor\":\"A\",\"a\":true}",
          "[{\"name\":\"M-v1\",\"properties\":{\"vendor\":\"A\",\"a\":true}},"
          "{\"name\":\"M-v2\",\"properties\":{\"vendor\":\"A\",\"a\":true}}]",
          "{\"model\":\"M-v2\",\"features\":{}}" },
        /* Without VMX its parts are not spelled out; with it they are. */
        { "{\"vendor\":\"A\",\"vmx\":false,\"vmx-ept\":false}",
          "[{\"name\":\"M\",\"properties\":{\"vendor\":\"A\",\"vmx\":true,\"vmx-ept\":true}}]",
          "{\"model\":\"M\",\"features\":{\"vmx\":false}}" },
        { "{\"vendor\":\"A\",\"vmx\":true,\"vmx-ept\":false}",
          "[{\"name\":\"M\",\"properties\":{\"vendor\":\"A\",\"vmx\":true,\"vmx-ept\":true}}]",
          "{\"model\":\"M\",\"features\":{\"vmx-ept\":false}}" },
        /* What is no switch is no feature. */
        { "{\"vendor\":\"A\",\"level\":13,\"a\":true}",
          "[{\"name\":\"M\",\"properties\":{\"vendor\":\"A\",\"level\":4,\"a\":true}}]",
          "{\"model\":\"M\",\"features\":{}}" },
        { "{\"vendor\":\"A\"}", "[]", NULL },
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *chosen = choose(cases[i].host, cases[i].models);

        if (g_strcmp0(chosen, cases[i].chosen))
            fail_msg("case %u: %s, not %s", i, chosen, cases[i].chosen);
    }
}

/* --- the real one --- */

static Json *found;

static Json *
expand(const ProbeSession *session, const char *name, const Json *properties, GError **error)
{
    Json *model = json_new_object(), *arguments = json_new_object();
    g_autoptr(Json) reply = NULL;

    json_set_string(model, "name", name);
    if (properties)
        json_set(model, "props", json_copy(properties));
    json_set_string(arguments, "type", "static");
    json_set(arguments, "model", model);
    reply = probe_session_ask(session, "query-cpu-model-expansion", arguments, error);
    return reply ? json_copy(json_get(json_get(reply, "model"), "props")) : NULL;
}

static Json *
ask_both(const ProbeSession *session, GError **error)
{
    g_autoptr(Json) most = expand(session, "max", NULL, error);
    g_autoptr(Json) named =
        expand(session, json_get_string(found, "model"), json_get(found, "features"), error);
    Json *both;

    if (!most || !named)
        return NULL;
    both = json_new_array();
    json_append(both, g_steal_pointer(&most));
    json_append(both, g_steal_pointer(&named));
    return both;
}

static void
test_is_the_host(void **state)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Json) both = NULL;
    const Json *most, *named;
    guint n_features = 0;

    found = host_model_probe(PAUSED_QEMU_EMULATOR, false, PROBE_DEFAULT_TIMEOUT_US, &error);
    if (!found)
        fail_msg("%s", error->message);
    assert_true(g_str_has_prefix(json_get_string(found, "model"), "EPYC-v"));
    both = probe_converse(PAUSED_QEMU_EMULATOR, "none,accel=tcg", PROBE_DEFAULT_TIMEOUT_US,
                          ask_both, &error);
    if (!both)
        fail_msg("%s", error->message);
    most = json_at(both, 0);
    named = json_at(both, 1);
    for (guint i = 0; i < json_length(most); i++) {
        const char *name = json_name_at(most, i);

        if (json_type(json_at(most, i)) != JSON_BOOL)
            continue;
        n_features++;
        if (!json_equal(json_at(most, i), json_get(named, name)))
            fail_msg("feature %s differs", name);
    }
    assert_true(n_features > 100);
    json_free(found);
}

static void
test_no_emulator(void **state)
{
    g_autoptr(GError) error = NULL;

    assert_null(host_model_probe("/nonexistent", false, PROBE_DEFAULT_TIMEOUT_US, &error));
    assert_true(g_error_matches(error, PROBE_ERROR, PROBE_ERROR_NOT_FOUND));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_choices),
        cmocka_unit_test(test_is_the_host),
        cmocka_unit_test(test_no_emulator),
    };

    return cmocka_run_group_tests_name("host-model", tests, NULL, NULL);
}
