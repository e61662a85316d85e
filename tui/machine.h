/* The machine's and a process's load: processors, memory, temperature, as far as Linux tells. A reading takes some
 * small files and well below a millisecond. */
#ifndef NFBENCH_TUI_MACHINE_H
#define NFBENCH_TUI_MACHINE_H

#include "base/error.h"

#include <sys/types.h>

enum { MACHINE_PROCESSORS = 256 };

/* NAN: not known. Loads and shares are means since the reading before: the first has none. */
struct machine_reading {
    int processors;                                      /* of the machine; 0: not known */
    float load[MACHINE_PROCESSORS];                      /* of each of them, as far as there is room, 0..1 */
    double machine;                                      /* of all together, 0..1 */
    double process;                                      /* of the process: 1.5 is one and a half processors */
    double processors_most;                              /* that the control group allows; INFINITY: all */
    double memory_total, memory_available, memory_limit; /* bytes; the limit is the control group's, INFINITY: none */
    double resident;                                     /* bytes of the process */
    int threads;                                         /* of the process; 0: not known */
    double temperature;                                  /* degrees Celsius, of the processor: its hottest sensor */
};

struct machine;

/* `root` stands before every path: "" but in tests. `process`: whose load is read beside the machine's, -1 for this
 * process, 0 for none. Limits and sensors are looked for now; what is not there is left out. */
int machine_open(const char *root, pid_t process, struct machine **out, struct error *error);
void machine_close(struct machine *machine); /* NULL is fine */

/* `now` in seconds, of a clock that does not jump. */
void machine_read(struct machine *machine, double now, struct machine_reading *out);

#endif
