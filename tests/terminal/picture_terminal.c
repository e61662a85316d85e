/* See picture_terminal.h. */
#include "tests/terminal/picture_terminal.h"

#include "tests/support/pictures.h"
#include "tests/terminal/pty.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HELD = 1 << 21, ESCAPE = 033 };

struct standing standing[PICTURES_MOST];
int standing_count, pictures_sent, kitty_questions, attribute_questions;

static const char *kitty_says, *attributes_say;
static int cell_width, cell_height, row, column;
static char held[HELD]; /* of a sequence that is not there whole */
static size_t held_count;

static void remove_at(int index)
{
    free(standing[index].rgb);
    standing[index] = standing[--standing_count];
}

static bool overlap(const struct standing *a, const struct standing *b)
{
    return a->row < b->row + b->rows && b->row < a->row + a->rows && a->column < b->column + b->columns &&
           b->column < a->column + a->columns;
}

static void add(struct standing picture)
{
    picture.row = row;
    picture.column = column;
    pictures_sent++;
    for (int i = standing_count - 1; i >= 0; i--)
        if (picture.id ? standing[i].id == picture.id : overlap(&standing[i], &picture))
            remove_at(i);
    assert_true(standing_count < PICTURES_MOST);
    standing[standing_count++] = picture;
}

static void take_kitty(const char *bytes, size_t count)
{
    struct kitty_command command;

    assert_true(kitty_decode(bytes, count, &command));
    if (command.action == 'q') {
        kitty_questions++;
        if (kitty_says)
            pty_keys(kitty_says);
    } else if (command.action == 'T') {
        assert_false(command.more);
        assert_int_equal(command.size, command.width * command.height * 3);
        add((struct standing){.id = command.id,
                              .columns = command.columns,
                              .rows = command.rows,
                              .width = command.width,
                              .height = command.height,
                              .rgb = command.payload});
        return;
    } else if (command.action == 'd') {
        for (int i = standing_count - 1; i >= 0; i--)
            if (command.what == 'A' || standing[i].id == command.id)
                remove_at(i);
    }
    free(command.payload);
}

static void take_sixels(const char *bytes, size_t count)
{
    struct sixel_picture picture;

    assert_true(sixel_decode(bytes, count, &picture));
    assert_int_equal(picture.painted, picture.width * picture.height);
    assert_int_equal(picture.width % cell_width, 0);
    assert_int_equal(picture.height % cell_height, 0);
    add((struct standing){.columns = picture.width / cell_width,
                          .rows = picture.height / cell_height,
                          .width = picture.width,
                          .height = picture.height,
                          .rgb = picture.rgb});
}

/* Where the program puts its cursor, by numbers; anything else of this kind is the screen's. Erasing takes all. */
static bool take_control(const char *bytes, size_t count)
{
    int r, c;

    if (count == 3 && bytes[2] == 'c') {
        attribute_questions++;
        if (attributes_say)
            pty_keys(attributes_say);
        return true;
    }
    if (bytes[count - 1] == 'H' && sscanf(bytes, "\033[%d;%dH", &r, &c) == 2) {
        row = r - 1;
        column = c - 1;
    }
    if (count == 4 && memcmp(bytes + 1, "[2J", 3) == 0)
        for (int i = standing_count - 1; i >= 0; i--)
            if (!standing[i].id)
                remove_at(i);
    return false;
}

/* The length of the whole sequence at the front; 0: its end is not there. */
static size_t sequence_length(const char *bytes, size_t count)
{
    if (count < 2)
        return 0;
    if (bytes[1] == '_' || bytes[1] == 'P') {
        const char *end = memmem(bytes + 2, count - 2, "\033\\", 2);
        return end ? (size_t)(end - bytes) + 2 : 0;
    }
    if (bytes[1] != '[')
        return 2;
    for (size_t i = 2; i < count; i++)
        if (bytes[i] >= 0x40 && bytes[i] <= 0x7e)
            return i + 1;
    return 0;
}

static bool is_taken(const char *bytes, size_t count)
{
    if (bytes[1] == '_')
        take_kitty(bytes + 3, count - 5);
    else if (bytes[1] == 'P')
        take_sixels(bytes + 2, count - 4);
    else if (bytes[1] == '[')
        return take_control(bytes, count);
    return bytes[1] == '_' || bytes[1] == 'P';
}

/* Whole sequences alone go on to the screen, so the rest is held until more comes. */
static size_t filter(char *bytes, size_t count)
{
    size_t at = 0, used = 0;

    assert_true(held_count + count <= HELD);
    memcpy(held + held_count, bytes, count);
    held_count += count;
    while (at < held_count) {
        const size_t length = held[at] == ESCAPE ? sequence_length(held + at, held_count - at) : 1;

        if (length == 0)
            break;
        if (held[at] != ESCAPE || !is_taken(held + at, length)) {
            memcpy(bytes + used, held + at, length);
            used += length;
        }
        at += length;
    }
    memmove(held, held + at, held_count - at);
    held_count -= at;
    return used;
}

void picture_terminal(const char *kitty_answer, const char *attributes, int width, int height)
{
    kitty_says = kitty_answer;
    attributes_say = attributes;
    cell_width = width;
    cell_height = height;
    while (standing_count > 0)
        remove_at(0);
    pictures_sent = kitty_questions = attribute_questions = 0;
    held_count = 0;
    pty_set_pixels(width, height);
    pty_set_filter(filter);
}

void picture_terminal_end(void)
{
    pty_end();
    picture_terminal(NULL, NULL, 0, 0);
    pty_set_filter(NULL);
}

void wait_for_pictures(int count)
{
    const long limit = pty_now() + PTY_PATIENCE_MS;

    while (count < 0 ? standing_count == 0 : standing_count != count) {
        if (pty_now() > limit || !pty_runs())
            fail_msg("%d pictures stand there, not %d:\n%s", standing_count, count, pty_text());
        pty_settle();
    }
}

static bool all_lie_within(int columns, int rows)
{
    for (int i = 0; i < standing_count; i++)
        if (standing[i].column + standing[i].columns > columns || standing[i].row + standing[i].rows > rows)
            return false;
    return standing_count > 0;
}

void wait_for_pictures_within(int columns, int rows)
{
    const long limit = pty_now() + PTY_PATIENCE_MS;

    while (!all_lie_within(columns, rows)) {
        if (pty_now() > limit || !pty_runs())
            fail_msg("%d pictures, not all within %dx%d:\n%s", standing_count, columns, rows, pty_text());
        pty_settle();
    }
}
