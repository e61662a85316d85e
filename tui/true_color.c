/* See true_color.h. The format of compiled descriptions, with 32-bit numbers and an extended part, is that of term(5);
 * curses takes one in hexadecimal behind "hex:". */
#include "tui/true_color.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NCURSES_NOMACROS 1
#include <curses.h>
#include <term.h>

enum { MAGIC = 01036, ENTRY_SIZE = 32768, TABLE_SIZE = 16384, NAMES_MAX = 512 };

static const char direct_foreground[] = "\033[38;2;%p1%{65536}%/%d;%p1%{256}%/%{255}%&%d;%p1%{255}%&%dm";
static const char direct_background[] = "\033[48;2;%p1%{65536}%/%d;%p1%{256}%/%{255}%&%d;%p1%{255}%&%dm";

struct entry {
    unsigned char bytes[ENTRY_SIZE];
    size_t used;
    bool full;
};

static void put_bytes(struct entry *entry, const void *bytes, size_t count)
{
    if (entry->full || entry->used + count > sizeof(entry->bytes)) {
        entry->full = true;
        return;
    }
    memcpy(entry->bytes + entry->used, bytes, count);
    entry->used += count;
}

static void put_number(struct entry *entry, int32_t number, int size)
{
    for (int i = 0; i < size; i++) {
        const unsigned char byte = (unsigned char)((uint32_t)number >> 8 * i);

        put_bytes(entry, &byte, 1);
    }
}

static void put_even(struct entry *entry)
{
    if (entry->used % 2)
        put_number(entry, 0, 1);
}

static int count_names(NCURSES_CONST char *const *names)
{
    int count = 0;

    while (count < NAMES_MAX && names[count])
        count++;
    return count;
}

static int number_of(NCURSES_CONST char *name)
{
    if (strcmp(name, "colors") == 0)
        return 0x1000000;
    return strcmp(name, "pairs") == 0 ? 0x10000 : tigetnum(name);
}

static const char *string_of(NCURSES_CONST char *name)
{
    if (strcmp(name, "setaf") == 0)
        return direct_foreground;
    if (strcmp(name, "setab") == 0)
        return direct_background;
    /* palettes have no place here, and the older pair of colour strings would come in between */
    if (strcmp(name, "initc") == 0 || strcmp(name, "oc") == 0 || strcmp(name, "setf") == 0 || strcmp(name, "setb") == 0)
        return NULL;
    return tigetstr(name);
}

/* The strings one after the other, and where each begins (-1: absent). Returns the table's size, -1 when it is full. */
static int make_table(char *table, int16_t *offsets, int count)
{
    int used = 0;

    for (int i = 0; i < count; i++) {
        const char *string = string_of(strnames[i]);
        size_t size;

        offsets[i] = -1;
        if (!string || string == (const char *)-1)
            continue;
        size = strlen(string) + 1;
        if ((size_t)used + size > TABLE_SIZE)
            return -1;
        memcpy(table + used, string, size);
        offsets[i] = (int16_t)used;
        used += (int)size;
    }
    return used;
}

/* The flag "RGB": the number of a colour is its three bytes. */
static void put_extension(struct entry *entry)
{
    static const int16_t counts[] = {1, 0, 0, 1, 4}; /* flags, numbers, strings, offsets, bytes of the table */

    put_even(entry);
    for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++)
        put_number(entry, counts[i], 2);
    put_number(entry, 1, 1);
    put_even(entry);
    put_number(entry, 0, 2);
    put_bytes(entry, "RGB", 4);
}

/* The terminal that setupterm found, as a compiled description with 24-bit colours. */
static void describe(const char *type, struct entry *entry)
{
    char table[TABLE_SIZE];
    int16_t offsets[NAMES_MAX];
    int flags = count_names(boolnames), numbers = count_names(numnames), strings = count_names(strnames);
    int size = make_table(table, offsets, strings);

    entry->full = size < 0;
    put_number(entry, MAGIC, 2);
    put_number(entry, (int32_t)strlen(type) + 1, 2);
    put_number(entry, flags, 2);
    put_number(entry, numbers, 2);
    put_number(entry, strings, 2);
    put_number(entry, size, 2);
    put_bytes(entry, type, strlen(type) + 1);
    for (int i = 0; i < flags; i++)
        put_number(entry, strcmp(boolnames[i], "ccc") != 0 && tigetflag(boolnames[i]) > 0, 1);
    put_even(entry);
    for (int i = 0; i < numbers; i++)
        put_number(entry, number_of(numnames[i]), 4);
    for (int i = 0; i < strings; i++)
        put_number(entry, offsets[i], 2);
    put_bytes(entry, table, size < 0 ? 0 : (size_t)size);
    put_extension(entry);
}

static char *terminfo_before; /* NULL: not set */

static bool set_terminfo(const struct entry *entry)
{
    static const char prefix[] = "hex:";
    char *text = malloc(sizeof(prefix) + 2 * entry->used);
    const char *before = getenv("TERMINFO");
    bool set;

    if (!text)
        return false;
    memcpy(text, prefix, sizeof(prefix));
    for (size_t i = 0; i < entry->used; i++)
        snprintf(text + sizeof(prefix) - 1 + 2 * i, 3, "%02X", entry->bytes[i]);
    terminfo_before = before ? strdup(before) : NULL;
    set = setenv("TERMINFO", text, 1) == 0;
    free(text);
    return set;
}

bool true_color_offer(const char *type, int fd)
{
    const char *says = getenv("COLORTERM");
    struct entry *entry;
    TERMINAL *before = cur_term;
    int found;
    bool set = false;

    if (!says || (strcmp(says, "truecolor") != 0 && strcmp(says, "24bit") != 0))
        return false;
    entry = calloc(1, sizeof(*entry));
    if (!entry)
        return false;
    cur_term = NULL;
    if (setupterm(type, fd, &found) == OK) {
        if (tigetnum("colors") >= 256 && tigetflag("RGB") <= 0) {
            describe(type, entry);
            set = !entry->full && set_terminfo(entry);
        }
        del_curterm(cur_term);
    }
    set_curterm(before);
    free(entry);
    return set;
}

void true_color_withdraw(void)
{
    if (terminfo_before)
        setenv("TERMINFO", terminfo_before, 1);
    else
        unsetenv("TERMINFO");
    free(terminfo_before);
    terminfo_before = NULL;
}
