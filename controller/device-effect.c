/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Devices that come, change and go while the guest runs.
 *
 *     add:     intent | companions | backends, device_add | prepared | applied has it | done
 *     set:     intent | the kind's own commands | applied has the new values | done
 *     remove:  intent | device_del ...... (a later pass) QEMU has it no more |
 *                                         backends, companions removed | applied has it not | done
 *
 * The applied document is written after each, so that a controller killed in between plans again
 * what was left, and nothing twice: a device that is there already is taken out of the difference
 * by domain_actual() or by the applied document, and one that is half there is swept and plugged
 * anew. A removal is one row of the journal, however often the guest is asked.
 */
#include "controller/device-effect.h"

#include <string.h>

#include "controller/command-facts.h"
#include "controller/companions.h"
#include "controller/links.h"
#include "controller/memory-ledger.h"
#include "controller/tuning.h"
#include "qemu/boot-order.h"
#include "qemu/device.h"
#include "qemu/domain-live.h"
#include "qemu/hot-plug.h"
#include "qemu/iothread.h"
#include "qemu/vcpu.h"
#include "qemu/verbs.h"
#include "reconcile/actual.h"
#include "reconcile/diff.h"
#include "state/unplugs.h"

bool
device_effect_is(PlanActionKind kind)
{
    return kind == PLAN_ACTION_ADD_DEVICE || kind == PLAN_ACTION_REMOVE_DEVICE ||
           kind == PLAN_ACTION_SET_DEVICE || kind >= PLAN_ACTION_SET_DOMAIN;
}

/* ---- what is applied ---- */

/* Takes @applied. The plan being carried out borrows from the former one. */
static bool
take_applied(Subject *subject, const Site *site, Domain *applied, GError **error)
{
    g_ptr_array_add(subject->retired, subject->applied);
    subject->applied = applied;
    subject->input.applied = subject->input.told = applied;
    return effect_note_applied(subject, site, applied, error);
}

static void
use_links(CommandFacts *facts, const Links *links)
{
    if (!links)
        return;
    facts->host.links = (const HostLink *) (const void *) links->links->data;
    facts->host.n_links = links->links->len;
}

/* @links: NULL where only the ids matter. */
static DeviceTrees *
build_trees(Subject *subject, const Site *site, const Domain *domain, const DeviceKind *kind,
            gconstpointer device, const Links *links, GError **error)
{
    g_autoptr(CommandFacts) facts = NULL;
    g_autoptr(Diagnostics) diagnostics = diagnostics_new(subject->name);
    g_autofree char *path = g_strdup_printf("devices/%s", kind->name);
    DeviceTrees *trees;

    if (!subject_probe(subject, site, error))
        return NULL;
    facts = command_facts_new(site, domain, subject->emulator, subject->run_directory);
    use_links(facts, links);
    trees = device_trees_build(domain, kind, device, path, subject->capabilities, &facts->host,
                               NULL, diagnostics);
    if (!trees) {
        const Diagnostic *first = diagnostics_first_error(diagnostics);

        g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                            first ? first->text : "it can't be spelled");
    }
    return trees;
}

/* What is left behind @device, which is not there. */
static bool
sweep(Subject *subject, const DeviceKind *kind, gconstpointer device, const DeviceTrees *trees,
      GError **error)
{
    const DeviceSpelling *spelling = device_spelling_find(kind);

    return hot_plug_sweep(subject->monitor, trees, error) &&
           (!spelling || !spelling->sweep || spelling->sweep(subject->monitor, device, error));
}

/* What devices refer to and the domain did not have comes before them. */
static bool
make_domain(Subject *subject, GError **error)
{
    return domain_live_make(subject->monitor, subject->applied, subject->desired, error);
}

/* ---- adding ---- */

/* Memory comes with as much of it as the host's budget grants for the moment; a copy of the domain
 * with *@device in it, or NULL for other devices. */
static Domain *
limit_memory(const Subject *subject, const DeviceKind *kind, gconstpointer *device)
{
    const DeviceKind *found;
    Domain *limited;

    if (kind != &memory_kind)
        return NULL;
    limited = domain_copy(subject->desired);
    memory_ledger_limit(subject->ledger, limited);
    *device = domain_find_device(limited, ((const DeviceInfo *) *device)->alias, &found);
    return limited;
}

/* What an earlier attempt left is removed first: it may have the link that is made next. */
static bool
plug(Subject *subject, const Site *site, const DeviceKind *kind, gconstpointer device,
     GError **error)
{
    g_autoptr(DeviceTrees) former =
        build_trees(subject, site, subject->desired, kind, device, NULL, error);
    g_autoptr(DeviceTrees) trees = NULL;
    g_autoptr(Domain) limited = NULL;
    g_autoptr(Links) links = NULL;

    if (!former || !sweep(subject, kind, device, former, error))
        return false;
    links = links_plug(site, subject, kind, device, error);
    limited = limit_memory(subject, kind, &device);
    trees = links ? build_trees(subject, site, limited ? limited : subject->desired, kind, device,
                                links, error)
                  : NULL;
    if (trees && companions_plug(subject, site, kind, device, error) &&
        hot_plug_add(subject->monitor, trees, error))
        return true;
    (void) links_unplug(site, subject, kind, device, NULL); /* or the next attempt */
    return false;
}

static EffectOutcome
run_add(Subject *subject, const Site *site, const PlanAction *action, GError **error)
{
    const DeviceSpelling *spelling = device_spelling_find(action->device_kind);
    g_autofree char *refusal = spelling && spelling->launch_refusal
                                   ? spelling->launch_refusal(subject->desired, action->after)
                                   : NULL;
    Domain *applied;

    if (refusal) {
        g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED, refusal);
        return EFFECT_FAILED;
    }
    if (!make_domain(subject, error) ||
        !plug(subject, site, action->device_kind, action->after, error))
        return EFFECT_FAILED;
    applied = domain_copy(subject->applied);
    domain_take_device(applied, action->device_kind, action->after);
    if (!take_applied(subject, site, applied, error))
        return EFFECT_FAILED;
    return !spelling->prepare ||
                   spelling->prepare(subject->monitor, subject->desired, action->after, error)
               ? EFFECT_DONE
               : EFFECT_FAILED;
}

/* ---- removing ---- */

static bool
sweep_and_drop(Subject *subject, const Site *site, const DeviceKind *kind, gconstpointer device,
               GError **error)
{
    const DeviceInfo *info = device;
    g_autoptr(DeviceTrees) trees =
        build_trees(subject, site, subject->applied, kind, device, NULL, error);
    Domain *applied;

    if (!trees || !sweep(subject, kind, device, trees, error) ||
        !links_unplug(site, subject, kind, device, error) ||
        !companions_unplug(subject, site, info->alias, error))
        return false;
    applied = domain_copy(subject->applied);
    domain_drop_device(applied, info->alias);
    return take_applied(subject, site, applied, error) &&
           store_unplug_remove(site->store, subject->name, info->alias, error);
}

static const PlanUnplug *
find_unplug(const Subject *subject, const char *id)
{
    for (guint i = 0; i < subject->unplugs->len; i++) {
        const PlanUnplug *unplug = subject->unplugs->pdata[i];

        if (!g_strcmp0(unplug->device, id))
            return unplug;
    }
    return NULL;
}

static bool
note_asked(const Subject *subject, const Site *site, const char *id, const char *refusal,
           GError **error)
{
    const PlanUnplug *before = find_unplug(subject, id);
    gint64 now = g_get_real_time();
    UnplugRecord record = {
        .domain = subject->name,
        .device = (char *) id,
        .asked_at_us = before ? before->asked_at : now,
        .last_asked_at_us = now,
        .n_asked = before ? before->n_asked + 1 : 1,
        .refusal = (char *) refusal,
    };

    return store_unplug_put(site->store, &record, error);
}

static EffectOutcome
run_remove(Subject *subject, const Site *site, const PlanAction *action, GError **error)
{
    const DeviceSpelling *spelling = device_spelling_find(action->device_kind);
    g_autoptr(GError) refusal = NULL;
    bool is_gone = false;

    if (spelling && spelling->part)
        spelling->part(subject->monitor, action->before);
    if (!hot_plug_ask(subject->monitor, action->device, &is_gone, &refusal)) {
        /* Refused now; it is asked again like one that the guest does not answer. */
        if (!note_asked(subject, site, action->device, refusal->message, error))
            return EFFECT_FAILED;
        g_propagate_error(error, g_steal_pointer(&refusal));
        return EFFECT_FAILED;
    }
    if (!is_gone) {
        subject_observe(subject, site);
        is_gone = !observed_has_device(subject->observed, action->device);
    }
    if (!is_gone)
        return note_asked(subject, site, action->device, NULL, error) ? EFFECT_PENDING
                                                                      : EFFECT_FAILED;
    return sweep_and_drop(subject, site, action->device_kind, action->before, error)
               ? EFFECT_DONE
               : EFFECT_FAILED;
}

/* ---- changing ---- */

/* In the boot order, which is all devices' together. */
static bool
has_moved(const PlanAction *action)
{
    const DeviceInfo *a = action->before, *b = action->after;

    return a->boot_order.is_set != b->boot_order.is_set ||
           a->boot_order.value != b->boot_order.value;
}

static EffectOutcome
run_set_device(Subject *subject, const Site *site, const PlanAction *action, GError **error)
{
    const DeviceSpelling *spelling = device_spelling_find(action->device_kind);
    const DeviceKind *kind = NULL;
    /* What waits for a restart is not told, whatever else of the device changes. */
    g_autoptr(Domain) applied = domain_take_live_device(subject->applied, action->device_kind,
                                                        action->before, action->after);
    gconstpointer after =
        domain_find_device(applied, ((const DeviceInfo *) action->before)->alias, &kind);

    if (!subject_probe(subject, site, error) || !make_domain(subject, error) ||
        !links_follow(site, subject, action->device_kind, action->before, after, error))
        return EFFECT_FAILED;
    if (spelling->update) {
        g_autoptr(CommandFacts) facts =
            command_facts_new(site, subject->desired, subject->emulator, subject->run_directory);
        g_autoptr(Diagnostics) diagnostics = diagnostics_new(subject->name);
        DeviceContext context = { .at = { .domain = subject->desired,
                                          .diagnostics = diagnostics,
                                          .path = (char *) action->device_kind->name },
                                  .capabilities = subject->capabilities,
                                  .facts = &facts->host };

        if (!spelling->update(&context, subject->monitor, action->before, after, error))
            return EFFECT_FAILED;
    }
    if (spelling->prepare && !spelling->prepare(subject->monitor, subject->desired, after, error))
        return EFFECT_FAILED;
    if (has_moved(action) && !boot_order_settle(subject->monitor, subject->desired, error))
        return EFFECT_FAILED;
    return take_applied(subject, site, g_steal_pointer(&applied), error) ? EFFECT_DONE
                                                                         : EFFECT_FAILED;
}

static bool
place_threads(const Subject *subject, const Site *site, GError **error)
{
    g_autoptr(Domain) next = domain_take_live_fields(subject->applied, subject->desired);

    return tuning_update(subject->applied, next, site->config, subject->monitor,
                         process_record(subject->process)->pid, error) &&
           companions_confine(subject, site, error);
}

static EffectOutcome
run_set_domain(Subject *subject, const Site *site, const PlanAction *action, GError **error)
{
    g_autoptr(Domain) next = domain_take_live_fields(subject->applied, subject->desired);

    if (!domain_live_update(subject->monitor, subject->applied, next, error) ||
        (action->drift && !iothreads_update(subject->monitor, NULL, next, error)) ||
        !place_threads(subject, site, error))
        return EFFECT_FAILED;
    return take_applied(subject, site, g_steal_pointer(&next), error) ? EFFECT_DONE : EFFECT_FAILED;
}

/* ---- virtual CPUs and I/O threads ---- */

/* TCG has threads for as many virtual CPUs as there can be at once, and has none again for one that
 * somebody took out: QEMU 7.2 aborts (tcg_register_thread). */
static bool
has_tcg_thread(const Subject *subject, const PlanAction *action, GError **error)
{
    guint n = subject->observed->vcpus->len + (action->drift ? 1 : 0);

    if (subject->applied->type == DOMAIN_TYPE_KVM || n < subject->applied->vcpus.value)
        return true;
    g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                        "without KVM QEMU can't make one again that was taken out; the guest must "
                        "be restarted");
    return false;
}

static EffectOutcome
run_add_vcpu(Subject *subject, const Site *site, const PlanAction *action, GError **error)
{
    if (!has_tcg_thread(subject, action, error) ||
        !vcpu_plug(subject->monitor, (guint) action->number, error) ||
        !place_threads(subject, site, error))
        return EFFECT_FAILED;
    subject_observe(subject, site); /* the next one is counted from there */
    return EFFECT_DONE;
}

static EffectOutcome
run_remove_vcpu(Subject *subject, const Site *site, const PlanAction *action, GError **error)
{
    g_autoptr(GError) refusal = NULL;
    bool is_gone = false;

    if (!vcpu_ask(subject->monitor, (guint) action->number, &is_gone, &refusal)) {
        if (!note_asked(subject, site, action->device, refusal->message, error))
            return EFFECT_FAILED;
        g_propagate_error(error, g_steal_pointer(&refusal));
        return EFFECT_FAILED;
    }
    if (is_gone)
        return EFFECT_DONE;
    return note_asked(subject, site, action->device, NULL, error) ? EFFECT_PENDING : EFFECT_FAILED;
}

static EffectOutcome
run_add_iothread(Subject *subject, const Site *site, const PlanAction *action, GError **error)
{
    return iothread_add(subject->monitor, subject->desired, action->number, error) &&
                   place_threads(subject, site, error)
               ? EFFECT_DONE
               : EFFECT_FAILED;
}

static EffectOutcome
run_remove_iothread(Subject *subject, const Site *site, const PlanAction *action, GError **error)
{
    return iothread_remove(subject->monitor, action->number, error) ? EFFECT_DONE : EFFECT_FAILED;
}

/* ---- the journal ---- */

static const struct {
    EffectOutcome (*run)(Subject *subject, const Site *site, const PlanAction *action,
                         GError **error);
} effects[] = {
    [PLAN_ACTION_ADD_DEVICE] = { run_add },
    [PLAN_ACTION_REMOVE_DEVICE] = { run_remove },
    [PLAN_ACTION_SET_DEVICE] = { run_set_device },
    [PLAN_ACTION_SET_DOMAIN] = { run_set_domain },
    [PLAN_ACTION_ADD_VCPU] = { run_add_vcpu },
    [PLAN_ACTION_REMOVE_VCPU] = { run_remove_vcpu },
    [PLAN_ACTION_ADD_IOTHREAD] = { run_add_iothread },
    [PLAN_ACTION_REMOVE_IOTHREAD] = { run_remove_iothread },
};

/* The open row of a removal of @id; 0 when there is none. */
static gint64
find_row(const Subject *subject, const Site *site, const char *id)
{
    g_autoptr(GPtrArray) rows = journal_open_rows(site->store, subject->name, NULL);

    for (guint i = 0; rows && i < rows->len; i++) {
        const ActionRecord *row = rows->pdata[i];
        g_autoptr(Json) detail = row->detail ? json_parse(row->detail, -1, NULL) : NULL;

        if ((!g_strcmp0(row->kind, plan_action_name(PLAN_ACTION_REMOVE_DEVICE)) ||
             !g_strcmp0(row->kind, plan_action_name(PLAN_ACTION_REMOVE_VCPU))) &&
            !g_strcmp0(json_get_string(detail, "device"), id))
            return row->id;
    }
    return 0;
}

static bool
begin(const Subject *subject, const Site *site, const PlanAction *action, gint64 *ret_id,
      GError **error)
{
    g_autoptr(Json) detail = json_new_object();
    g_autofree char *text = NULL;

    bool is_removal =
        action->kind == PLAN_ACTION_REMOVE_DEVICE || action->kind == PLAN_ACTION_REMOVE_VCPU;

    *ret_id = is_removal ? find_row(subject, site, action->device) : 0;
    if (*ret_id)
        return true;
    json_set_string(detail, "device", action->device);
    text = json_format(detail, false);
    return effect_begin(site, subject, plan_action_name(action->kind), text, ret_id, error);
}

EffectOutcome
device_effect_run(Subject *subject, const Site *site, const PlanAction *action, GError **error)
{
    g_autoptr(GError) failure = NULL;
    EffectOutcome outcome;
    gint64 id;

    if (!begin(subject, site, action, &id, error))
        return EFFECT_FAILED;
    outcome = effects[action->kind].run(subject, site, action, &failure);
    if (outcome == EFFECT_FAILED) {
        g_prefix_error(&failure, "%s: ", action->device ? action->device : "domain");
        effect_end(site, id, ACTION_FAILED, failure->message);
        g_propagate_error(error, g_steal_pointer(&failure));
    } else if (outcome == EFFECT_DONE) {
        effect_end(site, id, ACTION_DONE, NULL);
    }
    if (outcome != EFFECT_FAILED)
        effect_note_drift(subject, site, action); /* told once it is put back */
    return outcome;
}

/* ---- behind our back ---- */

static bool
note_one_gone(Subject *subject, const Site *site, const char *id, GError **error)
{
    const DeviceKind *kind;
    gconstpointer device = domain_find_device(subject->applied, id, &kind);
    bool was_asked = find_unplug(subject, id) != NULL;
    gint64 row = find_row(subject, site, id);
    EventRecord event = { .domain = subject->name,
                          .kind = (char *) EVENT_DEVICE_GONE,
                          .detail = (char *) id,
                          .at_us = g_get_real_time() };

    if (!device || !sweep_and_drop(subject, site, kind, device, error))
        return device == NULL;
    if (row)
        effect_end(site, row, ACTION_DONE, NULL);
    if (!was_asked)
        (void) store_event_add(site->store, &event, NULL);
    return true;
}

bool
device_effect_note_gone(Subject *subject, const Site *site, GError **error)
{
    for (guint i = 0; i < subject->gone->len; i++)
        if (!note_one_gone(subject, site, subject->gone->pdata[i], error))
            return false;
    return true;
}

static bool
is_to_leave(const DomainPlan *plan, const char *id)
{
    return g_ptr_array_find_with_equal_func(plan->leaving, id, g_str_equal, NULL);
}

/* A virtual CPU that was let go since the last look. */
static bool
has_left(const Subject *subject, const char *id)
{
    guint64 number;

    return g_str_has_prefix(id, "vcpu") && subject->observed->has_vcpus &&
           g_ascii_string_to_unsigned(id + strlen("vcpu"), 10, 0, G_MAXUINT, &number, NULL) &&
           !observed_has_vcpu(subject->observed, (guint) number);
}

bool
device_effect_forget(const Subject *subject, const Site *site, const DomainPlan *plan,
                     GError **error)
{
    for (guint i = 0; i < subject->unplugs->len; i++) {
        const PlanUnplug *unplug = subject->unplugs->pdata[i];
        gint64 row;

        if (is_to_leave(plan, unplug->device))
            continue;
        row = find_row(subject, site, unplug->device);
        if (row)
            effect_end(site, row,
                       has_left(subject, unplug->device) ? ACTION_DONE : ACTION_SUPERSEDED, NULL);
        if (!store_unplug_remove(site->store, subject->name, unplug->device, error))
            return false;
    }
    return true;
}
