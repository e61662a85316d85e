/* What one viewer of a run sees of it: events and probes in their order, the newest snapshot, the newest look. One
 * thread puts them in and one takes them out; neither ever waits for the other (control.h, snapshot.h, look.h). A
 * trainer has a port for its process's own viewer and, where one is opened, another for those of other processes;
 * whoever passes a run on to a viewer has one for each of them. */
#ifndef NFBENCH_ENGINE_PORT_H
#define NFBENCH_ENGINE_PORT_H

#include "engine/control.h"
#include "engine/look.h"
#include "engine/snapshot.h"

#include <semaphore.h>

struct port {
    struct event_ring events;
    struct probe_ring probes;
    struct snapshot_buffer snapshots;
    struct look_buffer looks;
    atomic_bool ended; /* nothing more is put in */
    sem_t *producer;   /* where it sleeps while nothing is to be done; NULL: it looks after the port by itself */
};

/* Of a zeroed port: for runs of this network, with a first snapshot. On failure port_free is still to be called. */
int port_create(struct port *port, const struct model_spec *spec, const struct snapshot *first, struct error *error);
void port_free(struct port *port);

/* ---- The producer's ---- */
int port_emit(struct port *port, const struct event *event, struct error *error);
void port_probe(struct port *port, const struct probe *probe);
void port_publish(struct port *port, const struct snapshot *snapshot);
/* Of as many classes and filters as the network has. */
void port_show_look(struct port *port, const struct look *look);
/* Moves what waits on this side to the other, as far as there is room. */
void port_flush(struct port *port);
/* The last word: what waits is the viewer's from now on. */
void port_end(struct port *port);

/* ---- The viewer's; see the trainer's functions of these names ---- */
void port_snapshot(struct port *port, struct snapshot *out);
bool port_next_event(struct port *port, struct event *out);
bool port_next_probe(struct port *port, struct probe *into);
const struct look *port_newest_look(struct port *port);
bool port_has_ended(const struct port *port);

#endif
