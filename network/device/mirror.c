#include "network/device/mirror.h"

#include "base/memory.h"

int mirror_new(Mirror *m, size_t bytes, Err *e)
{
    *m = (Mirror){.host = mem_zalloc(1, bytes, e), .bytes = bytes, .newer = MIRROR_HOST};
    return m->host ? 0 : ERR_NOMEM;
}

void mirror_free(Mirror *m)
{
    if (m->on && m->device != m->host) m->on->free(m->on, m->device);
    mem_free(m->host);
    *m = (Mirror){0};
}

int mirror_place(Mirror *m, const Device *device, Err *e)
{
    if (m->on && m->on != device)
        return err_set(e, ERR_UNSUPPORTED, "values on the device %s are requested on %s", m->on->name, device->name);
    if (m->on) return 0;
    void *memory = device->shares_memory ? m->host : device->alloc(device, m->bytes, e);
    if (!memory) return ERR_NOMEM;
    m->device = memory;
    m->on = device;
    return 0;
}

int mirror_to_host(Mirror *m, Err *e)
{
    if (m->newer != MIRROR_DEVICE) return 0;
    if (m->device != m->host) TRY(m->on->copy(m->on, m->host, m->device, m->bytes, COPY_TO_HOST, e));
    TRY(m->on->wait(m->on, e));
    m->newer = MIRROR_BOTH;
    return 0;
}

int mirror_to_device(Mirror *m, Err *e)
{
    if (m->newer != MIRROR_HOST) return 0;
    if (m->device != m->host) TRY(m->on->copy(m->on, m->device, m->host, m->bytes, COPY_TO_DEVICE, e));
    m->newer = MIRROR_BOTH;
    return 0;
}

void mirror_changed(Mirror *m, MirrorSide side) { m->newer = side; }
