/* Inside fetch/: the folder of a set, before it is there, when it is, and how it comes to be there. */
#ifndef NFBENCH_FETCH_PLACE_H
#define NFBENCH_FETCH_PLACE_H

#include "fetch/unpack.h"

struct place {
    const struct fetch_set *set;
    char folder[FILE_PATH_SIZE]; /* where the set is, or is to be; absolute */
    char above[FILE_PATH_SIZE];  /* the folder that it lies in: there also lie: */
    char part[FILE_PATH_SIZE];   /* what is downloaded of the archive */
    char made[FILE_PATH_SIZE];   /* the folder while it is filled */
};

/* Where the set is in the directory, or below it; that comes with `sha256`, NULL: the official archive, whose name the
 * part and the folder that is made bear. Makes nothing. */
int place_find(struct place *place, const struct fetch_set *set, const char *directory, const char *sha256,
               struct error *error);

enum place_state {
    PLACE_FREE,     /* nothing is there */
    PLACE_VERIFIED, /* all there, as a fetch has left it, byte for byte */
    PLACE_UNKNOWN,  /* a data set, of which no fetch has left word */
    PLACE_CHANGED,  /* a data set, with other bytes than a fetch has left: the error says in what */
    PLACE_DAMAGED,  /* some of it, of no use: the error says why */
    PLACE_TAKEN,    /* other things */
    PLACE_STOPPED,  /* the watch gave up */
};
enum place_state place_look(const struct place *place, const struct fetch_watch *watch, struct error *error);

/* Where the disk cannot exchange two folders, a fetch with `force` moves the one before aside first. One that was cut
 * off between has left it there: it is put back, or removed where the new one is in place (what it has besides the set
 * goes to FOLDER.old). */
int place_recover(const struct place *place, struct error *error);
/* Removes what a fetch that was cut off has left of the folder that is made, and recovers. */
int place_clear(const struct place *place, struct error *error);
/* Makes that folder, empty: a descriptor of it, or -1. */
int place_make(const struct place *place, struct error *error);
/* The folder is filled and all its files are synced: writes down their sums and puts it in place; with `force` in that
 * of another, whose files of the set are removed. What that one had besides stays in FOLDER.old, which `note` then
 * says. */
int place_publish(const struct place *place, const unpack_sums sums, bool force, char note[FETCH_NOTE_SIZE],
                  struct error *error);

#endif
