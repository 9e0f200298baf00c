/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/json.h"
#include "tests/support/command.h"
#include "tests/support/scratch.h"

/*
 * The domain `a` with a virtio disk on a raw image, one on a qcow2 image, a CD-ROM and a floppy
 * drive, and what its QEMU says of them. One QEMU lives through all tests of a program, each
 * beginning where the one before ended; after each edit the next plan is empty.
 */
#define MIB (1 << 20)

/* What the file says at the moment; NULL = the part's plain form. */
typedef struct Parts {
    const char *cdrom, *floppy;          /* below their <disk> */
    const char *vda;                     /* likewise, after driver, source and target */
    const char *vdb_driver, *vdb_within; /* attributes and content of <driver> */
    const char *more;                    /* whole devices */
    const char *groups;                  /* <throttlegroups> */
} Parts;

extern Scratch *scratch;

/* Its directory with images: a.img and c.iso raw, f.img a floppy's, d.qcow2, e.qcow2 on top of it.
 * The domain starts by disk_domain_start(). */
void disk_domain_new(void);
void disk_domain_start(void);
int disk_domain_end(void); /* for cmocka */

void edit(Parts parts);
/* <driver> and <source> of an image in the scratch directory. */
char *image(const char *format, const char *name);
void assert_settled(void);
void settle(Parts parts);
Json *ask(const char *command, const char *argument, const char *value);
/* The entry of query-block with this qdev. */
Json *drive_of(const char *name, const char *qdev);
Json *drive(const char *qdev);
bool has_node(const char *qdev, const char *node);
/* NULL: there is none. */
Json *node(const char *name);
bool is_node(const char *name, const char *file);
guint count(const char *command, const char *argument, const char *value);
guint n_backends(void);
void make_raw(const char *name, off_t size);
/* Has the image open, for writing. */
Command *serve_nbd(const char *image_name, const char *socket_name);
void make_qcow2(const char *name, const char *backing);
