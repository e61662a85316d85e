/* Forks and what they come from; see sessions_family in session.h. */
#include "sessions/session_internal.h"

#include <stdlib.h>
#include <string.h>

int session_ancestors(const struct session *session, struct session_ancestor *out, int most)
{
    char above[FILE_PATH_SIZE], folder[FILE_PATH_SIZE];
    struct session_paths paths = session->paths;
    int count = 0;
    if (session_folder_above(&session->paths, above, NULL))
        return 0;
    while (count < most) {
        struct session_ancestor *next = &out[count];
        session_read_parent(&paths, next->name, &next->step);
        bool again = strcmp(next->name, session->name) == 0;
        for (int i = 0; i < count; i++)
            again = again || strcmp(out[i].name, next->name) == 0;
        if (!*next->name || again)
            break;
        count++;
        if (session_check_name(next->name, NULL) || path_format(folder, NULL, "%s/%s", above, next->name) ||
            session_paths(folder, &paths, NULL))
            break;
    }
    return count;
}

/* ---- The list as a tree ---- */

struct tree {
    const struct session_summary *rows;
    const int *parent; /* index of each row's; -1: none in the list */
    int count;
    int *order, *depth;
    bool *placed;
    int placed_count;
};

/* Without recursion: a family may be as deep as there are sessions. Behind a row come those that are forks of it, in
 * their order, each with its own. */
static void place(struct tree *tree, int row)
{
    int depth = 0;
    while (row >= 0) {
        if (!tree->placed[row]) {
            tree->placed[row] = true;
            tree->depth[tree->placed_count] = depth;
            tree->order[tree->placed_count++] = row;
        }
        int child = 0;
        while (child < tree->count && (tree->placed[child] || tree->parent[child] != row))
            child++;
        if (child < tree->count)
            depth++;
        else
            child = depth > 0 ? tree->parent[row] : -1, depth--;
        row = child;
    }
}

static int index_of(const struct session_summary *rows, int count, const char *name)
{
    for (int i = 0; i < count; i++)
        if (*name && strcmp(rows[i].name, name) == 0)
            return i;
    return -1;
}

/* Whether a row's forebears end: a damaged folder may call itself a fork of its own fork. */
static bool has_root(const int *parent, int count, int row)
{
    for (int i = 0; i <= count && row >= 0; i++)
        row = parent[row];
    return row < 0;
}

static void apply(const struct tree *tree, struct session_summary *rows, struct session_summary *copy)
{
    memcpy(copy, rows, (size_t)tree->count * sizeof *rows);
    for (int i = 0; i < tree->count; i++) {
        rows[i] = copy[tree->order[i]];
        rows[i].depth = tree->depth[i];
    }
}

int sessions_family(struct session_summary *rows, int count, struct error *error)
{
    if (count == 0)
        return 0; /* no list: there is no memory of one */
    const size_t size = (size_t)count;
    struct tree tree = {.rows = rows, .count = count};
    struct session_summary *copy = reallocarray(NULL, size, sizeof *copy);
    int *parent = reallocarray(NULL, size, sizeof *parent);
    int result = -1;
    tree.order = reallocarray(NULL, size, sizeof *tree.order);
    tree.depth = reallocarray(NULL, size, sizeof *tree.depth);
    tree.placed = calloc(size, sizeof *tree.placed);
    tree.parent = parent;
    if (!copy || !parent || !tree.order || !tree.depth || !tree.placed) {
        error_set(error, "out of memory");
        goto out;
    }
    for (int i = 0; i < count; i++)
        parent[i] = index_of(rows, count, rows[i].parent);
    for (int i = 0; i < count; i++)
        if (!has_root(parent, count, i))
            parent[i] = -1;
    for (int i = 0; i < count; i++)
        if (parent[i] < 0)
            place(&tree, i);
    apply(&tree, rows, copy);
    result = 0;
out:
    free(copy);
    free(parent);
    free(tree.order);
    free(tree.depth);
    free(tree.placed);
    return result;
}
