/* What the view of images shows: a page at a time over the newest look into the network (engine/look.h) and the data
 * set. A page is made when it is first asked for and kept until something of it changes. */
#ifndef NFBENCH_TUI_IMAGES_H
#define NFBENCH_TUI_IMAGES_H

#include "engine/look.h"
#include "tui/figure_images.h"

enum images_page {
    IMAGES_AUGMENTATION, /* the next batch, before and after; at the end the last */
    IMAGES_RANDOM,       /* held-out images with what the network says of them, in a drawn order */
    IMAGES_MISTAKES,     /* the most confident mistakes first */
    IMAGES_LOSSES,       /* the highest loss first */
    IMAGES_CLASS,        /* those of one class */
    IMAGES_CONFUSION,
    IMAGES_FILTERS, /* of the stem */
    IMAGES_PAGES
};
/* As the command `images` takes it; NULL behind the last. */
const char *images_page_name(int page);

/* What the person has chosen, as plain data; all zero at first. */
struct images_choice {
    enum images_page page;
    int draw;     /* further draws of the augmentation or of the random images; 0: the training's own, the first */
    int of_class; /* IMAGES_CLASS */
    int selected; /* picture of the page */
    int top;      /* the first row of pictures that is shown */
    bool large;   /* one picture alone, with all that is known of it */
};

/* Turns to a page, of which they begin anew behind the last; the first picture is chosen. */
void images_turn(struct images_choice *choice, int page);

struct images;

/* The data set must outlive it. */
int images_create(const struct dataset *dataset, struct images **out, struct error *error);
void images_destroy(struct images *images); /* NULL is fine */

/* The newest look, which stays as it is until another one is taken; NULL: there is none any more. */
void images_take(struct images *images, const struct look *look);
const struct look *images_look(const struct images *images);

enum { IMAGES_TEXT = 256 };

/* A page as it is drawn: a sheet, or the confusion matrix, or neither, and `note` says why. */
struct images_shown {
    const struct sheet *sheet;
    const struct confusion *confusion;
    int count;              /* pictures of the sheet */
    char note[IMAGES_TEXT]; /* a line above: what it is */
};
void images_show(struct images *images, const struct images_choice *choice, struct images_shown *out);

/* What is known of a held-out image on a page of them; false on other pages. */
bool images_sample(const struct images *images, const struct images_choice *choice, struct sample_figure *out);

#endif
