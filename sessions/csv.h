/* A session's records as tables for spreadsheets and statistics: comma-separated values as RFC 4180 has them (CRLF at
 * each line's end, quotes where they are needed, doubled within), the names of the columns in the first line. What is
 * not finite or was not measured is an empty cell; numbers have a decimal point in any locale. */
#ifndef NFBENCH_SESSIONS_CSV_H
#define NFBENCH_SESSIONS_CSV_H

#include "sessions/fields.h"
#include "sessions/file.h"
#include "sessions/metrics.h"

/* The name of the index-th table: steps, epochs, commands, findings, probes (a row for each point of each), histograms
 * (of the probes: a row for each bin that is not empty). NULL behind the last. */
const char *csv_table(int index);
/* Writes FOLDER/NAME.csv of the index-th; the folder is made. */
int csv_write(int index, const struct metrics *metrics, const char *folder, char path[FILE_PATH_SIZE],
              struct error *error);

/* Adds one cell of such a table, with quotes where it needs them. */
void csv_add_text(const char *cell, struct text *text);

#endif
