/* The recipes' files, taken into the program as they are; see recipes.h. A new one needs a line in each of the two
 * lists. */
#include "sessions/recipes.h"

#include <stdio.h>
#include <string.h>

/* Paths are those of the source's folder, where make runs. */
#define INCLUDE(symbol, name)                                                                                          \
    __asm__(".pushsection .rodata\n"                                                                                   \
            "recipe_" #symbol ": .incbin \"recipes/" name ".ini\"\n"                                                   \
            "recipe_" #symbol "_end: .byte 0\n"                                                                        \
            ".popsection\n");                                                                                          \
    extern const char recipe_##symbol[], recipe_##symbol##_end[]
INCLUDE(report, "report");
INCLUDE(fast, "fast");
INCLUDE(fast_80, "fast-80");
INCLUDE(fast_90, "fast-90");
INCLUDE(fast_94, "fast-94");
INCLUDE(best, "best");

static const struct recipe {
    const char *name, *text, *end;
} recipes[] = {{"report", recipe_report, recipe_report_end},    {"fast", recipe_fast, recipe_fast_end},
               {"fast-80", recipe_fast_80, recipe_fast_80_end}, {"fast-90", recipe_fast_90, recipe_fast_90_end},
               {"fast-94", recipe_fast_94, recipe_fast_94_end}, {"best", recipe_best, recipe_best_end}};

enum { RECIPES = sizeof recipes / sizeof *recipes };

const char *recipe_name(int index)
{
    return index >= 0 && index < RECIPES ? recipes[index].name : NULL;
}

const char *recipe_summary(int index)
{
    static char summary[160];
    if (!recipe_name(index))
        return NULL;
    const char *text = recipes[index].text;
    text += strspn(text, "; ");
    snprintf(summary, sizeof summary, "%.*s", (int)strcspn(text, "\n"), text);
    return summary;
}

const char *recipe_text(const char *name, size_t *size)
{
    for (int i = 0; i < RECIPES; i++) {
        if (strcmp(recipes[i].name, name) != 0)
            continue;
        *size = (size_t)(recipes[i].end - recipes[i].text);
        return recipes[i].text;
    }
    return NULL;
}
