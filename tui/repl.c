/* readline without its terminal: bytes come from a queue that the event loop fills, the line is drawn by the screen
 * (repl_look), matches are kept for it instead of printed, and nothing may wait, ask or ring. */
#include "tui/repl.h"

#include "tui/command.h"
#include "viz/canvas.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wchar.h>

#include <readline/history.h>
#include <readline/readline.h>

enum { HISTORY_LINES = 2000, MATCHES_MAX = 256 };

static struct {
    bool open;
    repl_line_function *on_line;
    void *context;
    const unsigned char *bytes; /* of the feed that goes on */
    size_t count, at;
    bool ended;      /* Ctrl-D on an empty line */
    char *refused;   /* a line that was entered and not understood, until readline has let go of it; else NULL */
    bool is_refused; /* what is being edited is such a line, and no key has come since */
    char *history;
    FILE *nowhere; /* readline's output */
    char **matches;
    int match_count;
} repl;

static int next_byte(FILE *stream)
{
    (void)stream;
    return repl.at < repl.count ? repl.bytes[repl.at++] : EOF;
}

static int bytes_wait(void)
{
    return repl.at < repl.count;
}

static void redisplay(void)
{
    /* repl_look draws from readline's own state whenever the screen likes */
}

static void drop_matches(void)
{
    for (int i = 0; i < repl.match_count; i++)
        free(repl.matches[i]);
    free(repl.matches);
    repl.matches = NULL;
    repl.match_count = 0;
}

/* matches[0] is what they have in common; [1..count] are they. */
static void keep_matches(char **matches, int count, int longest)
{
    (void)longest;
    drop_matches();
    repl.matches = calloc((size_t)count, sizeof(*repl.matches));
    for (int i = 0; repl.matches && i < count && repl.match_count < MATCHES_MAX; i++) {
        const char *slash = strrchr(matches[i + 1], '/');
        char *copy = strdup(slash && slash[1] ? slash + 1 : matches[i + 1]);

        if (copy)
            repl.matches[repl.match_count++] = copy;
    }
}

static const char *candidates[MATCHES_MAX];
static int candidate_count;

static char *next_candidate(const char *text, int state)
{
    static int index;

    (void)text;
    index = state ? index + 1 : 0;
    return index < candidate_count ? strdup(candidates[index]) : NULL;
}

static char **complete(const char *text, int start, int end)
{
    candidate_count = command_complete(rl_line_buffer, start, end, candidates, MATCHES_MAX);
    if (candidate_count < 0) /* a file: readline knows them */
        return NULL;
    rl_attempted_completion_over = 1;
    return rl_completion_matches(text, next_candidate);
}

/* Makes the folders above a file. */
static int make_folders(const char *path)
{
    char folder[1024];

    if (snprintf(folder, sizeof(folder), "%s", path) >= (int)sizeof(folder))
        return -1;
    for (char *slash = strchr(folder + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        if (mkdir(folder, 0700) && errno != EEXIST)
            return -1;
        *slash = '/';
    }
    return 0;
}

static void open_history(const char *path, char *note, size_t size)
{
    int file = make_folders(path) ? -1 : open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    int failure = file < 0 ? errno : 0;

    if (file >= 0 && close(file))
        failure = errno;
    if (!failure)
        failure = read_history(path);
    if (failure) {
        snprintf(note, size, "commands are not remembered: %s: %s", path, strerror(failure));
        return;
    }
    repl.history = strdup(path); /* out of memory: not remembered */
}

static void remember(const char *line)
{
    const HIST_ENTRY *last = history_length > 0 ? history_get(history_base + history_length - 1) : NULL;

    if (last && strcmp(last->line, line) == 0)
        return;
    add_history(line);
    if (repl.history && append_history(1, repl.history)) { /* a full disk must not stop the run: memory keeps it */
        free(repl.history);
        repl.history = NULL;
    }
}

static void line_entered(char *line)
{
    if (!line) {
        repl.ended = true;
        return;
    }
    if (line[strspn(line, " \t:")]) {
        remember(line);
        if (!repl.on_line(repl.context, line)) {
            repl.refused = line;
            return;
        }
    }
    free(line);
}

static void configure(void)
{
    rl_readline_name = "nfbench";
    rl_instream = stdin;
    rl_outstream = repl.nowhere;
    rl_catch_signals = 0;
    rl_catch_sigwinch = 0;
    rl_change_environment = 0;
    rl_prep_term_function = NULL;
    rl_deprep_term_function = NULL;
    rl_getc_function = next_byte;
    rl_input_available_hook = bytes_wait;
    rl_redisplay_function = redisplay;
    rl_attempted_completion_function = complete;
    rl_completion_display_matches_hook = keep_matches;
    rl_basic_word_break_characters = " \t,";
    rl_completion_query_items = 0; /* asking would wait for an answer */
    rl_initialize();
    /* vi mode is for those who ask for it in .inputrc: nobody shall get there by Alt and Enter */
    rl_unbind_key_in_map(NEWLINE, emacs_meta_keymap);
    rl_unbind_key_in_map(RETURN, emacs_meta_keymap);
    rl_variable_bind("bell-style", "none");
    rl_variable_bind("enable-bracketed-paste", "off");
    rl_variable_bind("show-all-if-ambiguous", "on");
    rl_variable_bind("completion-ignore-case", "on");
    rl_variable_bind("blink-matching-paren", "off");
    rl_variable_bind("echo-control-characters", "off");
}

int repl_open(const char *history, repl_line_function *on_line, void *context, char *note, size_t size,
              struct error *error)
{
    if (size)
        *note = 0;
    repl.nowhere = fopen("/dev/null", "w");
    if (!repl.nowhere)
        return error_set(error, "/dev/null: %s", strerror(errno));
    repl.on_line = on_line;
    repl.context = context;
    configure();
    using_history();
    if (history)
        open_history(history, note, size);
    stifle_history(HISTORY_LINES);
    rl_callback_handler_install(":", line_entered);
    repl.open = true;
    return 0;
}

void repl_close(void)
{
    if (!repl.open)
        return;
    rl_callback_handler_remove();
    rl_outstream = NULL;
    rl_instream = NULL;
    if (repl.history)
        history_truncate_file(repl.history, HISTORY_LINES); /* best effort: a long file is no harm */
    clear_history();
    drop_matches();
    free(repl.history);
    fclose(repl.nowhere);
    memset(&repl, 0, sizeof(repl));
}

/* A line that was refused is edited further. */
static void take_back(void)
{
    if (!repl.refused)
        return;
    rl_replace_line(repl.refused, 1);
    rl_point = rl_end;
    free(repl.refused);
    repl.refused = NULL;
    repl.is_refused = true;
}

/* A colon behind a line that was refused begins another: it is what opens the line elsewhere. */
static bool begins_anew(unsigned char byte)
{
    const bool anew = repl.is_refused && byte == ':';

    repl.is_refused = false;
    if (anew)
        rl_replace_line("", 1);
    return anew;
}

/* The first key of a longer binding, as Ctrl-X, inside a search through the history: readline 8.2 goes down at the key
 * behind it. Escape, which most such keys begin with, ends the search. */
static bool brings_readline_down(unsigned char byte)
{
    return RL_ISSTATE(RL_STATE_ISEARCH) && byte != ESC && rl_get_keymap()[byte].type == ISKMAP;
}

/* Lines of the history keep lists of their edits, which readline 8.2 frees twice when a search or a cleared line comes
 * in between. They are forgotten here, not freed: the line being edited may still hold the same list. */
static void forget_edits_of_history(void)
{
    HIST_ENTRY **lines = history_list();

    for (int i = 0; lines && lines[i]; i++)
        lines[i]->data = NULL;
}

static bool in_vi_mode(void)
{
    return rl_editing_mode == 0;
}

/* Bytes of the letter at the front; 0: there is none, or it has no width. */
static size_t letter_bytes(const char *text, size_t count)
{
    mbstate_t fresh = {0};
    wchar_t letter = 0;
    const size_t length = mbrtowc(&letter, text, count, &fresh);

    return length >= (size_t)-2 || (length > 1 && wcwidth(letter) <= 0) ? 0 : length;
}

/* In vi mode the line shall hold letters alone that have a width: at the end of others, and of a 0, which its own
 * commands leave there, readline 8.2 goes round for ever. */
static void mend_line(void)
{
    const size_t count = (size_t)rl_end;
    size_t kept = 0, point = 0;
    char *letters;

    if (!in_vi_mode())
        return;
    for (size_t length; kept < count && (length = letter_bytes(rl_line_buffer + kept, count - kept)) > 0;)
        kept += length;
    if (kept == count || !(letters = malloc(count + 1)))
        return;
    kept = 0;
    for (size_t at = 0, length; at<count; at += length> 0 ? length : 1) {
        length = letter_bytes(rl_line_buffer + at, count - at);
        memcpy(letters + kept, rl_line_buffer + at, length);
        kept += length;
        point = at < (size_t)rl_point ? kept : point;
    }
    letters[kept] = 0;
    rl_replace_line(letters, 1);
    rl_point = (int)point;
    free(letters);
}

bool repl_feed(const unsigned char *bytes, size_t count)
{
    drop_matches();
    repl.ended = false;
    repl.bytes = bytes;
    repl.count = count;
    repl.at = 0;
    while (bytes_wait()) {
        if (begins_anew(repl.bytes[repl.at]) || brings_readline_down(repl.bytes[repl.at])) {
            repl.at++;
            continue;
        }
        rl_callback_read_char();
        forget_edits_of_history();
        mend_line();
        take_back();
    }
    return !repl.ended;
}

void repl_set_text(const char *text)
{
    drop_matches();
    repl.is_refused = false;
    if (repl_busy())
        repl_feed((const unsigned char *)"\a", 1); /* Ctrl-G ends a search */
    rl_end_of_history(1, 0);
    forget_edits_of_history();
    rl_replace_line(text, 1);
    rl_point = rl_end;
    if (in_vi_mode())
        rl_vi_insertion_mode(1, 'i'); /* as each new line begins */
}

const char *repl_text(void)
{
    return rl_line_buffer ? rl_line_buffer : "";
}

bool repl_busy(void)
{
    return RL_ISSTATE(RL_STATE_ISEARCH | RL_STATE_NSEARCH | RL_STATE_NUMERICARG | RL_STATE_MULTIKEY) != 0;
}

bool repl_wants_escape(void)
{
    return in_vi_mode() || (repl_busy() && !RL_ISSTATE(RL_STATE_NSEARCH));
}

char *const *repl_matches(int *count)
{
    *count = repl.match_count;
    return repl.matches;
}

/* Columns of the first `bytes` bytes. */
static int columns_of(const char *text, size_t bytes)
{
    const char *end = text + bytes;
    int columns = 0;

    while (text < end && *text)
        columns += code_columns(text_next(&text));
    return columns;
}

/* Moves on by whole characters until at least `columns` are behind. */
static const char *skip_columns(const char *text, int columns)
{
    for (int skipped = 0; *text && skipped < columns;)
        skipped += code_columns(text_next(&text));
    return text;
}

/* The prompt without the marks that readline puts around what has no width. */
static void copy_prompt(struct repl_view *view)
{
    const char *from = rl_display_prompt ? rl_display_prompt : "";
    size_t used = 0;

    for (; *from && used + 1 < sizeof(view->prompt); from++)
        if (*from != RL_PROMPT_START_IGNORE && *from != RL_PROMPT_END_IGNORE)
            view->prompt[used++] = *from;
    view->prompt[used] = 0;
}

void repl_look(int columns, struct repl_view *view)
{
    const char *line = repl_text(), *from = line;
    int point = columns_of(line, (size_t)(rl_point < 0 ? 0 : rl_point)), room, hidden = 0;
    const char *end;

    memset(view, 0, sizeof(*view));
    copy_prompt(view);
    view->prompt_columns = text_columns(view->prompt);
    room = columns - view->prompt_columns;
    if (room < 2)
        return;
    if (point >= room) { /* scroll by half a screen, so that the text does not move at each key */
        int half = room / 2;

        from = skip_columns(line, (point - room) / half * half + half);
        hidden = columns_of(line, (size_t)(from - line));
        view->cut_left = true;
    }
    end = from;
    for (int used = 0; *end;) {
        const char *next = end;
        int width = code_columns(text_next(&next));

        if (used + width > room) {
            view->cut_right = true;
            break;
        }
        used += width;
        end = next;
    }
    snprintf(view->text, sizeof(view->text), "%.*s", (int)(end - from), from);
    view->cursor = view->prompt_columns + point - hidden;
}

int repl_history_path(char *path, size_t size)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    int length = -1;

    if (state && *state == '/')
        length = snprintf(path, size, "%s/nfbench/history", state);
    else if (home && *home)
        length = snprintf(path, size, "%s/.local/state/nfbench/history", home);
    return length < 0 || (size_t)length >= size ? -1 : 0;
}
