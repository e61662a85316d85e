/* See port.h. */
#include "engine/port.h"

int port_create(struct port *port, const struct model_spec *spec, const struct snapshot *first, struct error *error)
{
    snapshot_init(&port->snapshots, first);
    return probe_ring_create(&port->probes, spec, error) || look_buffer_create(&port->looks, spec, error) ? -1 : 0;
}

void port_free(struct port *port)
{
    event_ring_free(&port->events);
    probe_ring_free(&port->probes);
    look_buffer_free(&port->looks);
}

int port_emit(struct port *port, const struct event *event, struct error *error)
{
    return event_ring_push(&port->events, event, error);
}

void port_probe(struct port *port, const struct probe *probe)
{
    probe_ring_push(&port->probes, probe);
}

void port_publish(struct port *port, const struct snapshot *snapshot)
{
    snapshot_publish(&port->snapshots, snapshot);
}

void port_show_look(struct port *port, const struct look *look)
{
    look_copy(look_buffer_writing(&port->looks), look);
    look_buffer_publish(&port->looks);
}

void port_flush(struct port *port)
{
    event_ring_flush(&port->events);
    probe_ring_flush(&port->probes);
}

void port_end(struct port *port)
{
    atomic_store_explicit(&port->ended, true, memory_order_release);
}

bool port_has_ended(const struct port *port)
{
    return atomic_load_explicit(&port->ended, memory_order_acquire);
}

void port_snapshot(struct port *port, struct snapshot *out)
{
    snapshot_read(&port->snapshots, out);
}

bool port_next_event(struct port *port, struct event *out)
{
    const bool ended = port_has_ended(port);
    if (event_ring_pop(&port->events, out))
        return true;
    if (!event_ring_has_backlog(&port->events))
        return false;
    if (!ended) {
        if (port->producer)
            (void)sem_post(port->producer); /* at its maximum it wakes all the same */
        return false;
    }
    event_ring_flush(&port->events); /* its producer is gone */
    return event_ring_pop(&port->events, out);
}

bool port_next_probe(struct port *port, struct probe *into)
{
    if (probe_ring_pop(&port->probes, into))
        return true;
    if (!port_has_ended(port))
        return false;
    probe_ring_flush(&port->probes); /* its producer is gone */
    return probe_ring_pop(&port->probes, into);
}

const struct look *port_newest_look(struct port *port)
{
    return look_buffer_read(&port->looks);
}
