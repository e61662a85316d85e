/* The images: what the network is trained on next, what it says of images that it has not seen, what it takes for what,
 * and its first filters; a page at a time. */
#include "tui/images.h"
#include "tui/keys.h"
#include "tui/panel.h"
#include "tui/words.h"

#include <stdio.h>
#include <string.h>

enum { GAP = 2, LEAST_ROWS_FOR_NOTE = 7 };

static void head(const struct scene *scene, char text[PANEL_TITLE])
{
    const struct look *look = scene->images ? images_look(scene->images) : NULL;
    const long ago = look ? scene->snapshot.step.step - look->step : 0;
    char step[32];
    int used = snprintf(text, PANEL_TITLE, "Images");

    if (look) {
        words_count((double)look->step, step, sizeof(step));
        used += snprintf(text + used, PANEL_TITLE - (size_t)used, " \u00b7 step %s", step);
    }
    if (ago > 0) {
        words_count((double)ago, step, sizeof(step));
        used += snprintf(text + used, PANEL_TITLE - (size_t)used, ", %s step%s ago", step, ago == 1 ? "" : "s");
    }
    if (scene->look_asked)
        snprintf(text + used, PANEL_TITLE - (size_t)used, " \u00b7 being measured");
    else if (look && !scene_is_over(scene) && look->step != scene->snapshot.step.step)
        snprintf(text + used, PANEL_TITLE - (size_t)used, " \u00b7 u measures now");
}

/* ---- Drawing ---- */

static int names_columns(void)
{
    int columns = -GAP;

    for (int p = 0; p < IMAGES_PAGES; p++)
        columns += text_columns(images_page_name(p)) + GAP;
    return columns;
}

/* Below the names of the pages and, where there is room, the note. */
static struct rect figure_area(struct rect area)
{
    const int above = area.rows >= LEAST_ROWS_FOR_NOTE ? 2 : 1;

    return (struct rect){area.column, area.row + above, area.columns, area.rows - above};
}

/* The names of the pages in a row, the open one marked; alone where there is no room. */
static void draw_pages(const struct scene *scene, struct canvas *canvas, struct rect area)
{
    const enum images_page page = scene->images_choice.page;
    int column = area.column + 1;
    char text[64];

    if (names_columns() + 2 > area.columns) {
        snprintf(text, sizeof(text), "%s (%d of %d, p: next)", images_page_name((int)page), (int)page + 1,
                 IMAGES_PAGES);
        canvas_text_cut(canvas, column, area.row, area.columns - 1, STYLE(ROLE_SELECTED), text);
        return;
    }
    for (int p = 0; p < IMAGES_PAGES; p++)
        column += canvas_text(canvas, column, area.row, STYLE(p == (int)page ? ROLE_SELECTED : ROLE_HINT),
                              images_page_name(p)) +
                  GAP;
}

static void draw_waiting(const struct scene *scene, struct canvas *canvas, struct rect area)
{
    const char *text = "The network is looked at between two steps; this comes in a moment.";

    if (scene->phase == PHASE_STARTING)
        text = scene->progress;
    else if (scene_is_over(scene))
        text = "The run has ended, and nothing was measured before. The command `export samples, mistakes, confusion, "
               "filters` makes these pictures of its best checkpoint.";
    panel_draw_wrapped(canvas, (struct rect){area.column + 2, area.row + area.rows / 3, area.columns - 4, area.rows},
                       STYLE(ROLE_DIM), text);
}

static void draw_sheet(struct scene *scene, struct canvas *canvas, struct rect area, const struct images_shown *shown)
{
    struct images_choice *choice = &scene->images_choice;
    struct sheet_view view = {.selected = choice->selected, .top = choice->top};
    struct sample_figure sample;

    if (!choice->large) {
        figure_sheet_view(canvas, area, shown->sheet, &view);
        choice->top = view.top;
    } else if (images_sample(scene->images, choice, &sample)) {
        figure_sample(canvas, area, &sample);
    } else {
        figure_sheet_one(canvas, area, shown->sheet, choice->selected);
    }
}

static void draw(struct scene *scene, struct canvas *canvas, struct rect area)
{
    struct images_choice *choice = &scene->images_choice;
    struct images_shown shown;
    struct rect figure = figure_area(area);
    char text[IMAGES_TEXT + 32];

    draw_pages(scene, canvas, area);
    if (!scene->images || !images_look(scene->images)) {
        draw_waiting(scene, canvas, figure);
        return;
    }
    images_show(scene->images, choice, &shown);
    if (!shown.sheet && !shown.confusion) {
        panel_draw_wrapped(
            canvas, (struct rect){figure.column + 2, figure.row + figure.rows / 3, figure.columns - 4, figure.rows},
            STYLE(ROLE_DIM), shown.note);
        return;
    }
    choice->selected = choice->selected < shown.count ? choice->selected : shown.count > 0 ? shown.count - 1 : 0;
    if (figure.row > area.row + 1) {
        snprintf(text, sizeof(text), "%d/%d \u00b7 %s", choice->selected + 1, shown.count, shown.note);
        canvas_text_cut(canvas, area.column + 1, area.row + 1, area.columns - 2, STYLE(ROLE_DIM),
                        shown.count > 0 ? text : shown.note);
    }
    if (shown.confusion)
        figure_confusion(canvas, figure, shown.confusion);
    else
        draw_sheet(scene, canvas, figure, &shown);
}

/* ---- Keys ---- */

/* How many pictures stand in a row now, and how many rows are shown. */
static struct sheet_view shape(const struct scene *scene, struct rect area, const struct images_shown *shown)
{
    struct sheet_view view = {.per_row = 1, .rows = 1};

    if (shown->sheet && !scene->images_choice.large)
        sheet_view_shape(figure_area(area), shown->sheet, &view);
    return view;
}

static bool move(struct scene *scene, struct rect area, int key)
{
    struct images_choice *choice = &scene->images_choice;
    struct images_shown shown = {.count = 0};
    struct sheet_view view;
    int by;

    if (scene->images)
        images_show(scene->images, choice, &shown);
    view = shape(scene, area, &shown);
    switch (key) {
    case KEY_CODE_LEFT:
    case KEY_CODE_RIGHT:
        by = key == KEY_CODE_LEFT ? -1 : 1;
        break;
    case KEY_CODE_UP:
    case KEY_CODE_DOWN:
        by = key == KEY_CODE_UP ? -view.per_row : view.per_row;
        break;
    case KEY_CODE_PAGE_UP:
    case KEY_CODE_PAGE_DOWN:
        by = view.per_row * view.rows * (key == KEY_CODE_PAGE_UP ? -1 : 1);
        break;
    case KEY_CODE_HOME:
    case KEY_CODE_END:
        by = key == KEY_CODE_HOME ? -shown.count : shown.count;
        break;
    default:
        return false;
    }
    choice->selected += by;
    choice->selected = choice->selected >= shown.count ? shown.count - 1 : choice->selected;
    choice->selected = choice->selected < 0 ? 0 : choice->selected;
    return true;
}

static void turn_class(struct scene *scene, int by)
{
    struct images_choice *choice = &scene->images_choice;
    const struct look *look = scene->images ? images_look(scene->images) : NULL;

    images_turn(choice, IMAGES_CLASS);
    if (look)
        choice->of_class = (choice->of_class + by + look->classes) % look->classes;
}

static bool key(struct scene *scene, struct rect area, int key)
{
    struct images_choice *choice = &scene->images_choice;

    switch (key) {
    case 'p':
    case 'P':
        images_turn(choice, (int)choice->page + (key == 'p' ? 1 : -1));
        return true;
    case 'c':
    case 'C':
        turn_class(scene, choice->page != IMAGES_CLASS ? 0 : key == 'c' ? 1 : -1);
        return true;
    case 'r':
        choice->draw++;
        return true;
    case 'u':
        scene->look_wanted = true;
        choice->draw = 0;
        return true;
    case KEY_CODE_ENTER:
        choice->large = !choice->large;
        return true;
    case KEY_CODE_ESCAPE:
        choice->large = false;
        return true;
    default:
        return move(scene, area, key);
    }
}

/* The page whose name is at a column of the first row; below 0: none is. */
static int page_at(struct rect area, int column)
{
    int at = area.column + 1;

    for (int p = 0; p < IMAGES_PAGES && names_columns() + 2 <= area.columns; p++) {
        if (column >= at && column < at + text_columns(images_page_name(p)))
            return p;
        at += text_columns(images_page_name(p)) + GAP;
    }
    return -1;
}

/* A click chooses a page or an image, which it shows large when it is the chosen one; in a large image it goes back. */
static bool click(struct scene *scene, struct rect area, const struct mouse *mouse)
{
    struct images_choice *choice = &scene->images_choice;
    const int page = mouse->row == area.row ? page_at(area, mouse->column) : -1;
    struct sheet_view view = {.selected = choice->selected, .top = choice->top};
    struct images_shown shown = {.count = 0};
    int image;

    if (page >= 0) {
        images_turn(choice, page);
        return true;
    }
    if (scene->images)
        images_show(scene->images, choice, &shown);
    if (!shown.sheet || mouse->row < figure_area(area).row)
        return false;
    image = choice->large ? choice->selected
                          : sheet_view_at(figure_area(area), shown.sheet, &view, mouse->column, mouse->row);
    if (image < 0)
        return false;
    choice->large = image == choice->selected && !choice->large;
    choice->selected = image;
    return true;
}

static bool mouse(struct scene *scene, struct rect area, const struct mouse *mouse)
{
    if (mouse->act == MOUSE_PRESS)
        return click(scene, area, mouse);
    if (mouse->act != MOUSE_WHEEL_UP && mouse->act != MOUSE_WHEEL_DOWN)
        return false;
    return move(scene, area, mouse->act == MOUSE_WHEEL_UP ? KEY_CODE_UP : KEY_CODE_DOWN);
}

static bool is_large(const struct scene *scene)
{
    return scene->images_choice.large;
}

static bool is_sheet(const struct scene *scene)
{
    return !is_large(scene);
}

const struct panel_ops panel_images = {
    .place = PLACE_IMAGES,
    .title = "Images",
    .heading = head,
    .draw = draw,
    .key = key,
    .mouse = mouse,
    .keys = {{"p", "page"},
             {"\u2190\u2192", "image"},
             {"Enter", "large", is_sheet},
             {"Esc", "back", is_large},
             {"r", "re-roll"},
             {"u", "measure"},
             {"c", "class"}},
    .help =
        "Images: p and P turn the pages, arrows, Page Up and Down, Home and End choose an image, Enter shows it "
        "large with the likelihood of each class, Esc or Enter goes back. r draws again: the augmentation of the "
        "same images, or other images; c and C show one class after the other; u measures the network as it is now. "
        "The command images NAME opens a page."};
