/* What a training state has beside its position and sums, as JSON and back: the settings in force, what `undo` would
 * take back, the commands that wait. Settings stand under their names and with the texts of the settings' table, by
 * which they are also checked. */
#ifndef NFBENCH_SESSIONS_STATE_RECORD_H
#define NFBENCH_SESSIONS_STATE_RECORD_H

#include "engine/trainer.h"
#include "sessions/fields.h"
#include "sessions/settings.h"

void state_record_write(const struct training_state *state, struct text *text);
/* -1 when it is not what state_record_write makes; `text` NULL, of a checkpoint that is older: nothing is known. */
int state_record_read(const char *text, struct training_state *state, struct error *error);

/* Puts the state's values over the settings: what was in force. */
void state_settings(const struct training_state *state, struct settings *settings);

#endif
