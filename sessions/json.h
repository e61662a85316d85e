/* JSON texts read by jansson, with memory that runs out handled, which jansson's own reader does not do.
 * For that, jansson's allocation is taken over in the whole process: json_set_alloc_funcs is not to be called
 * elsewhere. */
#ifndef NFBENCH_SESSIONS_JSON_H
#define NFBENCH_SESSIONS_JSON_H

#include <jansson.h>
#include <stddef.h>

/* A JSON text without a name that is there twice. NULL with jansson's reason, errno being ENOMEM for want of memory,
 * else EBADMSG. The caller decrefs it. */
json_t *json_read(const char *text, size_t length, json_error_t *reason);

#endif
