/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Security labels: of the whole domain, and of single files.
 *
 * Labelling is SELinux's and AppArmor's, and virtkeep leaves it to the service manager. So labels
 * are read and checked for contradictions, as libvirt does, and then have no effect: a document
 * that libvirt would refuse is refused here too, and one that it takes says a note.
 */
#include "model/security-label.h"

#include "model/domain.h"

static const char *const label_type_names[] = {
    [LABEL_DYNAMIC] = "dynamic",
    [LABEL_STATIC] = "static",
    [LABEL_NONE] = "none",
    NULL,
};

static const Field label_fields[] = {
    FIELD_ENUM(SecurityLabel, type, label_type_names, .path = "@type",
               .doc = "`dynamic`, `static` or `none`."),
    FIELD_STRING(SecurityLabel, model, .path = "@model", .doc = "`selinux`, `apparmor`, `dac`."),
    FIELD_YES_NO(SecurityLabel, relabel, .path = "@relabel", .doc = "Label files too."),
    FIELD_STRING(SecurityLabel, label, .path = "label", .doc = "The label."),
    FIELD_STRING(SecurityLabel, base, .path = "baselabel", .doc = "What it is made from."),
    { .type = TYPE_NONE, .path = "imagelabel", .is_output = true, .doc = "Label of images." },
    FIELD_END,
};
const Schema security_label_schema = { .element = "seclabel",
                                       .size = sizeof(SecurityLabel),
                                       .fields = label_fields,
                                       .doc = "A security label." };

static const Field device_label_fields[] = {
    FIELD_STRING(DeviceLabel, model, .path = "@model", .doc = "`selinux`, `apparmor`, `dac`."),
    FIELD_YES_NO(DeviceLabel, relabel, .path = "@relabel", .doc = "Whether the file is labelled."),
    { .type = TYPE_NONE,
      .path = "@labelskip",
      .is_output = true,
      .doc = "libvirt: it could not be." },
    FIELD_STRING(DeviceLabel, label, .path = "label", .doc = "The label, instead of the domain's."),
    FIELD_END,
};
const Schema device_label_schema = { .element = "seclabel",
                                     .size = sizeof(DeviceLabel),
                                     .fields = device_label_fields,
                                     .doc = "A security label of one file." };

void
security_labels_validate(const Validation *v)
{
    const GPtrArray *labels = v->domain->labels;

    for (guint i = 0; i < list_length(labels); i++) {
        const SecurityLabel *label = list_at(labels, i, SecurityLabel);
        g_autofree char *path = g_strdup_printf("seclabel[%u]", i);

        for (guint k = 0; k < i; k++)
            if (label->model && !g_strcmp0(list_at(labels, k, SecurityLabel)->model, label->model))
                validation_error(v, path, "seclabel", "there is a label of model '%s' already",
                                 label->model);
        if (label->type == LABEL_STATIC && !label->label)
            validation_error(v, path, "seclabel", "type='static' needs a <label>");
        if (label->type == LABEL_NONE && label->relabel == TRISTATE_ON)
            validation_error(v, path, "seclabel", "type='none' labels nothing");
        if (label->type == LABEL_DYNAMIC && label->relabel == TRISTATE_OFF)
            validation_error(v, path, "seclabel", "type='dynamic' labels files too");
    }
}

void
device_labels_validate(const Validation *v, const char *path, const GPtrArray *labels)
{
    for (guint i = 0; i < list_length(labels); i++) {
        const DeviceLabel *label = list_at(labels, i, DeviceLabel);
        g_autofree char *at = g_strdup_printf("%s/seclabel[%u]", path, i);

        if (label->relabel == TRISTATE_ON && !label->label)
            validation_error(v, at, "seclabel", "relabel='yes' needs a <label>");
        if (label->relabel == TRISTATE_OFF && label->label)
            validation_error(v, at, "seclabel", "relabel='no' has no use for a <label>");
    }
}
