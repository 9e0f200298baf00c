/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a plan looks like:
 *
 *     ~ web-1  update  web-1.xml
 *         web-1.xml:31  devices/memory[0]/target/requested  128 MiB -> 768 MiB  (live)
 *       > set-memory virtiomem0  128 MiB -> 768 MiB in 6 steps
 *         1 memory device to move
 *
 *     0 to start, 0 to stop, 1 to update, 0 to restart, 0 blocked, 9 unchanged
 *
 * One block a domain: what differs and where it stands, what is done about it, why. Domains there
 * is nothing to do for are counted only, unless something is to be known of them (suspended,
 * orphaned). Everything that comes from files is made printable.
 */
#include "controller/render-plan.h"

#include <string.h>

#include "controller/causes.h"
#include "controller/terminal.h"
#include "model/quantity.h"

#define INDENT "    "
#define ACTION_MARK "  > "
/* Columns are aligned within a domain up to this width; what is longer stands out. */
#define MAX_ALIGNED 56

static const struct {
    const char *symbol;
    Style style;
} verdicts[] = {
    [PLAN_NONE] = { " ", STYLE_DIM },      [PLAN_START] = { "+", STYLE_ADD },
    [PLAN_STOP] = { "-", STYLE_REMOVE },   [PLAN_RESTART] = { "-/+", STYLE_CAUTION },
    [PLAN_UPDATE] = { "~", STYLE_CHANGE }, [PLAN_BLOCKED] = { "!", STYLE_BAD },
};

static Style
class_style(ChangeClass class_)
{
    switch (class_) {
    case CHANGE_LIVE:
        return STYLE_GOOD;
    case CHANGE_RESTART:
        return STYLE_CAUTION;
    case CHANGE_IDENTITY:
        return STYLE_BAD;
    case CHANGE_NONE:
        return STYLE_DIM;
    }
    g_assert_not_reached();
}

static void
append_styled(GString *out, const PlanStyle *style, Style how, const char *text)
{
    g_autofree char *printable = text_printable(text);

    g_string_append_printf(out, "%s%s%s", style_begin(how, style->is_colored), printable,
                           style_end(how, style->is_colored));
}

static const char *
short_file(const char *file, const PlanStyle *style)
{
    size_t length = style->root ? strlen(style->root) : 0;

    if (length && !strncmp(file, style->root, length) && file[length] == '/')
        return file + length + 1;
    return file;
}

static void
append_padding(GString *out, const char *text, guint width)
{
    guint taken = text_width(text);

    g_string_append_printf(out, "%*s", taken < width ? (int) (width - taken) : 0, "");
}

/* ---- changes ---- */

/* What nobody but the file's readers would see (a title, say) is left to the JSON. */
static bool
is_shown(const Change *change)
{
    return change->class_ != CHANGE_NONE;
}

/* "web-1.xml:31"; "" where the line isn't known. Caller frees. */
static char *
change_place(const DomainPlan *domain, const Change *change, const PlanStyle *style)
{
    if (!change->at.line || !domain->file)
        return g_strdup("");
    return g_strdup_printf("%s:%u", short_file(domain->file, style), change->at.line);
}

static void
append_values(GString *out, const Change *change, const PlanStyle *style)
{
    if (!change->from) {
        append_styled(out, style, STYLE_ADD, "+ ");
        append_styled(out, style, STYLE_PLAIN, change->to ? change->to : "");
    } else if (!change->to) {
        append_styled(out, style, STYLE_REMOVE, "- ");
        append_styled(out, style, STYLE_PLAIN, change->from);
    } else {
        append_styled(out, style, STYLE_PLAIN, change->from);
        append_styled(out, style, STYLE_DIM, " -> ");
        append_styled(out, style, STYLE_PLAIN, change->to);
    }
}

static void
append_changes(GString *out, const DomainPlan *domain, const PlanStyle *style)
{
    guint place_width = 0, path_width = 0;

    for (guint i = 0; i < domain->changes->len; i++) {
        const Change *change = domain->changes->pdata[i];
        g_autofree char *place = change_place(domain, change, style);

        if (!is_shown(change))
            continue;
        place_width = MAX(place_width, MIN(text_width(place), MAX_ALIGNED));
        path_width = MAX(path_width, MIN(text_width(change->path), MAX_ALIGNED));
    }
    for (guint i = 0; i < domain->changes->len; i++) {
        const Change *change = domain->changes->pdata[i];
        g_autofree char *place = change_place(domain, change, style);

        if (!is_shown(change))
            continue;
        g_string_append(out, INDENT);
        if (place_width) {
            append_styled(out, style, STYLE_DIM, place);
            append_padding(out, place, place_width + 2);
        }
        append_styled(out, style, STYLE_PLAIN, change->path);
        append_padding(out, change->path, path_width + 2);
        append_values(out, change, style);
        g_string_append(out, "  (");
        append_styled(out, style, class_style(change->class_), change_class_name(change->class_));
        g_string_append(out, ")\n");
    }
}

/* ---- actions ---- */

char *
plan_action_text(const PlanAction *action)
{
    const char *name = plan_action_name(action->kind);
    g_autofree char *from = size_text(action->from), *to = size_text(action->to);

    if (action->kind == PLAN_ACTION_SET_BALLOON)
        return g_strdup_printf("%s %s  %s -> %s", name, action->device, from, to);
    if (action->kind != PLAN_ACTION_SET_MEMORY)
        return action->device ? g_strdup_printf("%s %s", name, action->device) : g_strdup(name);
    return g_strdup_printf("%s %s  %s -> %s in %u step%s", name, action->device, from, to,
                           action->steps, action->steps == 1 ? "" : "s");
}

static void
append_actions(GString *out, const DomainPlan *domain, const PlanStyle *style)
{
    for (guint i = 0; i < domain->actions->len; i++) {
        g_autofree char *text = plan_action_text(domain->actions->pdata[i]);

        append_styled(out, style, STYLE_DIM, ACTION_MARK);
        append_styled(out, style, STYLE_BOLD, text);
        g_string_append_c(out, '\n');
    }
}

/* ---- domains ---- */

/* Whether anything is to be known of a domain that nothing is done for. */
static bool
is_remarkable(const DomainPlan *domain)
{
    return domain->verdict != PLAN_NONE ||
           (domain->sync != SYNC_SYNCED && domain->sync != SYNC_UNKNOWN);
}

/* A line for each of several things that lines of the file want and can't have. */
static void
append_reason(GString *out, const DomainPlan *domain, const PlanStyle *style)
{
    g_auto(GStrv) causes = NULL;

    if (!domain->reason || !*domain->reason)
        return;
    causes = causes_split(domain->reason, domain->file);
    for (guint i = 0; causes[i]; i++) {
        g_string_append(out, INDENT);
        append_styled(out, style, domain->verdict == PLAN_BLOCKED ? STYLE_BAD : STYLE_DIM,
                      causes[i]);
        g_string_append_c(out, '\n');
    }
    if (domain->verdict == PLAN_UPDATE && domain->is_restart_required) {
        g_string_append(out, INDENT);
        append_styled(out, style, STYLE_CAUTION,
                      "what needs a restart takes effect when the guest next powers off");
        g_string_append_c(out, '\n');
    }
}

static void
append_domain(GString *out, const DomainPlan *domain, const PlanStyle *style)
{
    Style how = verdicts[domain->verdict].style;
    const char *sync = sync_state_name(domain->sync);
    const char *word =
        domain->verdict == PLAN_NONE && sync ? sync : plan_verdict_name(domain->verdict);

    append_styled(out, style, how, verdicts[domain->verdict].symbol);
    g_string_append_c(out, ' ');
    append_styled(out, style, STYLE_BOLD, domain->name);
    g_string_append(out, "  ");
    append_styled(out, style, how, word);
    if (domain->file) {
        g_string_append(out, "  ");
        append_styled(out, style, STYLE_DIM, short_file(domain->file, style));
    }
    g_string_append_c(out, '\n');
    append_changes(out, domain, style);
    append_actions(out, domain, style);
    append_reason(out, domain, style);
}

char *
domain_plan_text(const DomainPlan *domain, const PlanStyle *style)
{
    GString *out = g_string_new(NULL);

    append_domain(out, domain, style);
    return g_string_free(out, FALSE);
}

char *
plan_summary_text(const Plan *plan)
{
    guint counts[PLAN_BLOCKED + 1];

    plan_summary(plan, counts);
    return g_strdup_printf("%u to start, %u to stop, %u to update, %u to restart, %u blocked, "
                           "%u unchanged",
                           counts[PLAN_START], counts[PLAN_STOP], counts[PLAN_UPDATE],
                           counts[PLAN_RESTART], counts[PLAN_BLOCKED], counts[PLAN_NONE]);
}

char *
plan_text(const Plan *plan, const PlanStyle *style)
{
    g_autoptr(GString) out = g_string_new(NULL);
    g_autofree char *summary = plan_summary_text(plan);
    guint n = plan->domains->len;

    for (guint i = 0; i < plan->domains->len; i++) {
        const DomainPlan *domain = plan->domains->pdata[i];

        if (!style->is_complete && !is_remarkable(domain))
            continue;
        append_domain(out, domain, style);
        g_string_append_c(out, '\n');
    }
    if (plan_has_changes(plan))
        append_styled(out, style, STYLE_BOLD, summary);
    else if (!n)
        g_string_append_printf(out, "Nothing to do: no domain file in %s", style->root);
    else
        g_string_append_printf(out, "Nothing to do; %u domain%s unchanged", n, n == 1 ? "" : "s");
    g_string_append_c(out, '\n');
    return g_strdup(out->str);
}
