/* Everything that `nfbench report` tells of a session: gathered here (report.c), told by report_write (report_write.c
 * and report_*.c), which knows of no format. What cannot be had, as the images or a damaged file, is told as that and
 * ends nothing. */
#ifndef NFBENCH_TUI_REPORT_H
#define NFBENCH_TUI_REPORT_H

#include "engine/model_cost.h"
#include "sessions/file.h"
#include "sessions/verify.h"
#include "tui/compare.h"
#include "tui/export.h"
#include "tui/page.h"

/* One of the exporter's pictures. */
struct report_picture {
    const char *name, *alt, *caption; /* name: the exporter's */
    struct page_picture light, dark;  /* png NULL: there is none */
    struct error why;                 /* ... and why */
};
enum { REPORT_PICTURES = 9 };

struct report_checkpoint {
    char file[FILE_PATH_SIZE]; /* below the session's folder */
    long step;
    double bytes;
    char sha256[SETTINGS_DIGEST_SIZE]; /* of the file; empty: it cannot be read */
};

struct report {
    struct compared session;
    struct training_state state; /* of the newest checkpoint; zeroed where there is none */
    struct settings origin;      /* what the session's preset or recipe alone has */
    struct verify_report verified;
    struct model_cost *costs; /* the stem, the blocks, the head */
    int cost_count;
    struct report_checkpoint *checkpoints;
    int checkpoint_count;
    struct export_source source; /* of the pictures; its `measure` holds what the network says of the images */
    struct error unmeasured;     /* why not; empty: it was measured */
    struct report_picture pictures[REPORT_PICTURES];
};

/* Reads a session by its name or path, and verifies it. `where` is the command line's. Free it with report_close, on
 * failure too. */
int report_open(const struct settings *where, const char *name, struct report *out, struct error *error);
void report_close(struct report *report);

/* Draws the pictures; `with`: the session's settings with what was laid over them. With `network` also those that need
 * it, on the test images; `progress` as of export_source. -1 for want of memory alone. */
struct report_drawing {
    const struct settings *with;
    bool network;
    int (*progress)(void *context, int done, int total);
    void *context;
};
int report_draw(struct report *report, const struct report_drawing *drawing, struct error *error);

/* One sentence of what came of the run, and how good that is. */
enum { REPORT_LEAD_SIZE = 1024 };
enum page_tone report_lead(const struct report *report, char text[REPORT_LEAD_SIZE]);

/* The whole report in a format, to be freed by page_destroy. Figures are in FOLDER/NAME.png, where the format has them
 * as files. */
int report_write(const struct report *report, enum page_format format, const char *folder, struct page **out,
                 struct error *error);

/* ---- Inside: the sections (report_run.c, report_network.c, report_course.c, report_end.c) ---- */

void report_add_settings(const struct report *report, struct page *page);
void report_add_network(const struct report *report, struct page *page);
void report_add_course(const struct report *report, const char *folder, struct page *page);
void report_add_signal(const struct report *report, const char *folder, struct page *page);
void report_add_troubles(const struct report *report, struct page *page);
void report_add_commands(const struct report *report, struct page *page);
void report_add_images(const struct report *report, const char *folder, struct page *page);
void report_add_environment(const struct report *report, struct page *page);
void report_add_again(const struct report *report, struct page *page);

/* The name of its preset; NULL: its network is not one's. */
const char *report_preset(const struct report *report);
/* The picture of that name, or a sentence that says why there is none. */
void report_add_picture(const struct report *report, const char *name, const char *folder, struct page *page);

#endif
