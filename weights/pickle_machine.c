/* The pickle machine: stack, memo and one small function per opcode (CPython's pickletools.py). */
#include "weights/pickle_machine.h"

#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "weights/bytes.h"

enum {
    LENGTH_MAX = 32 << 20, /* pickles of weights have some hundred kilobytes */
    NAME_MAX_BYTES = 200,  /* of a module or class */
    PROTOCOL_MAX = 5
};

/* ---- stack and input ---- */

static int push(PickleMachine *m, Value *v)
{
    if (!v) return m->error.code;
    if (m->height == m->stack_capacity) {
        const size_t larger = m->stack_capacity ? 2 * m->stack_capacity : 256, size = sizeof *m->stack;
        TRY(mem_grow((void **)&m->stack, m->height * size, larger * size, &m->error));
        m->stack_capacity = larger;
    }
    m->stack[m->height++] = v;
    return 0;
}

/* The topmost value above the last mark; NULL with the error set if there is none. */
static Value *top(PickleMachine *m)
{
    const size_t floor = m->mark_count ? m->marks[m->mark_count - 1] : 0;
    if (m->height > floor) return m->stack[m->height - 1];
    machine_fail(m, ERR_FORMAT, "nothing on the stack");
    return NULL;
}

static Value *pop(PickleMachine *m)
{
    Value *v = top(m);
    if (v) m->height--;
    return v;
}

/* Removes the last mark; *first is the index of the first value above it. */
static int pop_mark(PickleMachine *m, size_t *first)
{
    *first = m->mark_count ? m->marks[--m->mark_count] : SIZE_MAX;
    return *first < SIZE_MAX ? 0 : machine_fail(m, ERR_FORMAT, "no mark on the stack");
}

/* The next bytes of the pickle; NULL with the error set where it ends before. */
static const char *input(PickleMachine *m, size_t bytes)
{
    if (bytes > m->bytes - m->at) {
        machine_fail(m, ERR_FORMAT, "the file ends within the pickle");
        return NULL;
    }
    const char *data = m->data + m->at;
    m->at += bytes;
    return data;
}

static int number(PickleMachine *m, int bytes, uint64_t *value)
{
    const char *data = input(m, (size_t)bytes);
    *value = data ? bytes_le(data, bytes) : 0;
    return data ? 0 : m->error.code;
}

/* Reads a length, stored in that many bytes, and then the bytes. */
static const char *counted(PickleMachine *m, int length_bytes, size_t *bytes)
{
    uint64_t length;
    if (number(m, length_bytes, &length)) return NULL;
    *bytes = length;
    return input(m, length);
}

/* ---- opcodes: constants and numbers ---- */

static int op_proto(PickleMachine *m)
{
    uint64_t version;
    TRY(number(m, 1, &version));
    if (version <= PROTOCOL_MAX) return 0;
    return machine_fail(m, ERR_UNSUPPORTED, "pickle protocol %d: unknown", (int)version);
}

static int op_frame(PickleMachine *m) { return input(m, 8) ? 0 : m->error.code; }

static int op_none(PickleMachine *m) { return push(m, machine_value(m, VALUE_NONE)); }

static int push_bool(PickleMachine *m, bool truth)
{
    Value *v = machine_value(m, VALUE_BOOL);
    if (v) v->truth = truth;
    return push(m, v);
}

static int op_true(PickleMachine *m) { return push_bool(m, true); }
static int op_false(PickleMachine *m) { return push_bool(m, false); }

static int push_integer(PickleMachine *m, int64_t integer)
{
    Value *v = machine_value(m, VALUE_INT);
    if (v) v->integer = integer;
    return push(m, v);
}

static int unsigned_of(PickleMachine *m, int bytes)
{
    uint64_t value;
    TRY(number(m, bytes, &value));
    return push_integer(m, (int64_t)value);
}

static int op_binint1(PickleMachine *m) { return unsigned_of(m, 1); }
static int op_binint2(PickleMachine *m) { return unsigned_of(m, 2); }

static int op_binint(PickleMachine *m)
{
    uint64_t value;
    TRY(number(m, 4, &value));
    return push_integer(m, (int32_t)(uint32_t)value);
}

static int push_view(PickleMachine *m, ValueKind kind, const char *data, size_t bytes)
{
    if (!data) return m->error.code;
    Value *v = machine_value(m, kind);
    if (v) {
        v->text.data = data;
        v->text.bytes = bytes;
    }
    return push(m, v);
}

static int long_of(PickleMachine *m, int length_bytes)
{
    size_t bytes = 0;
    const char *data = counted(m, length_bytes, &bytes);
    if (!data || bytes > 8) return push_view(m, VALUE_LONG, data, bytes);
    const uint64_t sign = bytes && data[bytes - 1] & 0x80 && bytes < 8 ? UINT64_MAX << 8 * bytes : 0;
    return push_integer(m, (int64_t)(bytes_le(data, (int)bytes) | sign));
}

static int op_long1(PickleMachine *m) { return long_of(m, 1); }
static int op_long4(PickleMachine *m) { return long_of(m, 4); }

static int op_binfloat(PickleMachine *m)
{
    const char *data = input(m, 8);
    uint64_t bits = 0;
    Value *v = data ? machine_value(m, VALUE_FLOAT) : NULL;
    if (!v) return m->error.code;
    for (int i = 0; i < 8; i++) bits = bits << 8 | (unsigned char)data[i];
    memcpy(&v->number, &bits, sizeof bits);
    return push(m, v);
}

/* ---- opcodes: text ---- */

static int unicode_of(PickleMachine *m, int length_bytes)
{
    size_t bytes;
    const char *data = counted(m, length_bytes, &bytes);
    return data ? push(m, machine_text(m, VALUE_STRING, data, bytes)) : m->error.code;
}

static int op_short_unicode(PickleMachine *m) { return unicode_of(m, 1); }
static int op_unicode(PickleMachine *m) { return unicode_of(m, 4); }
static int op_unicode8(PickleMachine *m) { return unicode_of(m, 8); }

static int bytes_of(PickleMachine *m, int length_bytes)
{
    size_t bytes = 0;
    const char *data = counted(m, length_bytes, &bytes);
    return push_view(m, VALUE_BYTES, data, bytes);
}

/* Python 2's str: a string if it is UTF-8, else bytes. */
static int string_of(PickleMachine *m, int length_bytes)
{
    size_t bytes;
    const char *data = counted(m, length_bytes, &bytes);
    if (!data || !text_is_utf8(data, bytes)) return push_view(m, VALUE_BYTES, data, data ? bytes : 0);
    return push(m, machine_text(m, VALUE_STRING, data, bytes));
}

static int op_short_string(PickleMachine *m) { return string_of(m, 1); }
static int op_string(PickleMachine *m) { return string_of(m, 4); }
static int op_short_bytes(PickleMachine *m) { return bytes_of(m, 1); }
static int op_bytes(PickleMachine *m) { return bytes_of(m, 4); }
static int op_bytes8(PickleMachine *m) { return bytes_of(m, 8); }

/* ---- opcodes: containers ---- */

static int op_mark(PickleMachine *m)
{
    if (m->mark_count == m->mark_capacity) {
        const size_t larger = m->mark_capacity ? 2 * m->mark_capacity : 64, size = sizeof *m->marks;
        TRY(mem_grow((void **)&m->marks, m->mark_count * size, larger * size, &m->error));
        m->mark_capacity = larger;
    }
    m->marks[m->mark_count++] = m->height;
    return 0;
}

static int op_pop(PickleMachine *m)
{
    if (m->mark_count && m->marks[m->mark_count - 1] == m->height) {
        m->mark_count--;
        return 0;
    }
    return pop(m) ? 0 : m->error.code;
}

static int op_pop_mark(PickleMachine *m) { return pop_mark(m, &m->height); }
static int op_dup(PickleMachine *m) { return push(m, top(m)); }
static int op_empty_list(PickleMachine *m) { return push(m, machine_value(m, VALUE_LIST)); }
static int op_empty_tuple(PickleMachine *m) { return push(m, machine_value(m, VALUE_TUPLE)); }
static int op_empty_dict(PickleMachine *m) { return push(m, machine_value(m, VALUE_DICT)); }

/* Replaces the values on the stack from `first` on by one container that holds them. */
static int gather(PickleMachine *m, ValueKind kind, size_t first)
{
    const size_t count = m->height - first;
    Value *v = machine_value(m, kind);
    Value **items = v ? machine_take(m, count * sizeof *items) : NULL;
    if (!items) return m->error.code;
    if (kind == VALUE_DICT && count % 2) return machine_fail(m, ERR_FORMAT, "a dictionary's key without a value");
    if (count) memcpy(items, m->stack + first, count * sizeof *items);
    v->list.items = items;
    v->list.count = v->list.capacity = (uint32_t)count;
    m->height = first;
    return push(m, v);
}

static int gather_marked(PickleMachine *m, ValueKind kind)
{
    size_t first;
    TRY(pop_mark(m, &first));
    return gather(m, kind, first);
}

static int op_list(PickleMachine *m) { return gather_marked(m, VALUE_LIST); }
static int op_tuple(PickleMachine *m) { return gather_marked(m, VALUE_TUPLE); }
static int op_dict(PickleMachine *m) { return gather_marked(m, VALUE_DICT); }

static int gather_last(PickleMachine *m, size_t count)
{
    const size_t floor = m->mark_count ? m->marks[m->mark_count - 1] : 0;
    if (m->height - floor < count) return machine_fail(m, ERR_FORMAT, "too little on the stack");
    return gather(m, VALUE_TUPLE, m->height - count);
}

static int op_tuple1(PickleMachine *m) { return gather_last(m, 1); }
static int op_tuple2(PickleMachine *m) { return gather_last(m, 2); }
static int op_tuple3(PickleMachine *m) { return gather_last(m, 3); }

/* Moves the values from `first` on into the container below them; an inert object drops them. */
static int put_into(PickleMachine *m, ValueKind kind, size_t first)
{
    const size_t count = m->height - first;
    m->height = first;
    Value *container = top(m);
    if (!container) return m->error.code;
    if (container->kind == VALUE_OBJECT) return 0;
    if (container->kind != kind || (kind == VALUE_DICT && count % 2))
        return machine_fail(m, ERR_FORMAT, "items for a value that is no container of that kind");
    for (size_t i = 0; i < count; i++) TRY(machine_append(m, container, m->stack[first + i]));
    return 0;
}

static int put_marked(PickleMachine *m, ValueKind kind)
{
    size_t first;
    TRY(pop_mark(m, &first));
    return put_into(m, kind, first);
}

static int put_last(PickleMachine *m, ValueKind kind, size_t count)
{
    const size_t floor = m->mark_count ? m->marks[m->mark_count - 1] : 0;
    if (m->height - floor <= count) return machine_fail(m, ERR_FORMAT, "too little on the stack");
    return put_into(m, kind, m->height - count);
}

static int op_append(PickleMachine *m) { return put_last(m, VALUE_LIST, 1); }
static int op_setitem(PickleMachine *m) { return put_last(m, VALUE_DICT, 2); }
static int op_appends(PickleMachine *m) { return put_marked(m, VALUE_LIST); }
static int op_setitems(PickleMachine *m) { return put_marked(m, VALUE_DICT); }

/* ---- opcodes: memo ---- */

static int put(PickleMachine *m, uint64_t index)
{
    Value *v = top(m);
    if (!v) return m->error.code;
    /* Pickles number their PUTs from 0, and each takes at least one byte: so the index is below the pickle's
     * length. */
    if (index >= m->at) return machine_fail(m, ERR_FORMAT, "memo index %llu", (unsigned long long)index);
    if (index >= m->memo_count) {
        const size_t larger = 2 * ((size_t)index + 128), size = sizeof *m->memo;
        TRY(mem_grow((void **)&m->memo, m->memo_count * size, larger * size, &m->error));
        memset(m->memo + m->memo_count, 0, (larger - m->memo_count) * size);
        m->memo_count = larger;
    }
    m->memo[index] = v;
    m->puts++;
    return 0;
}

static int get(PickleMachine *m, int index_bytes)
{
    uint64_t index;
    TRY(number(m, index_bytes, &index));
    if (index >= m->memo_count || !m->memo[index])
        return machine_fail(m, ERR_FORMAT, "memo index %llu was never put", (unsigned long long)index);
    return push(m, m->memo[index]);
}

static int put_number(PickleMachine *m, int index_bytes)
{
    uint64_t index;
    TRY(number(m, index_bytes, &index));
    return put(m, index);
}

static int op_binput(PickleMachine *m) { return put_number(m, 1); }
static int op_long_binput(PickleMachine *m) { return put_number(m, 4); }
static int op_memoize(PickleMachine *m) { return put(m, m->puts); }
static int op_binget(PickleMachine *m) { return get(m, 1); }
static int op_long_binget(PickleMachine *m) { return get(m, 4); }

/* ---- opcodes: globals and calls ---- */

static bool is_name(const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        if ((unsigned char)text[i] <= ' ' || text[i] == 0x7f) return false;
    return bytes && bytes <= NAME_MAX_BYTES && text_is_utf8(text, bytes);
}

static int push_global(PickleMachine *m, const char *module, size_t module_bytes, const char *name, size_t name_bytes)
{
    if (!is_name(module, module_bytes) || !is_name(name, name_bytes))
        return machine_fail(m, ERR_FORMAT, "a global without a proper name");
    Value *v = machine_value(m, VALUE_GLOBAL);
    char *copy = v ? machine_take(m, module_bytes + name_bytes + 2) : NULL;
    if (!copy) return m->error.code;
    v->global.module = memcpy(copy, module, module_bytes);
    v->global.name = memcpy(copy + module_bytes + 1, name, name_bytes);
    return push(m, v);
}

/* A line of text without its newline. */
static const char *line(PickleMachine *m, size_t *bytes)
{
    const char *start = m->data + m->at, *end = memchr(start, '\n', m->bytes - m->at);
    *bytes = end ? (size_t)(end - start) : m->bytes;
    return input(m, *bytes + 1) ? start : NULL;
}

static int op_global(PickleMachine *m)
{
    size_t module_bytes, name_bytes;
    const char *module = line(m, &module_bytes), *name = module ? line(m, &name_bytes) : NULL;
    return name ? push_global(m, module, module_bytes, name, name_bytes) : m->error.code;
}

static int op_stack_global(PickleMachine *m)
{
    const Value *name = pop(m), *module = name ? pop(m) : NULL;
    if (!module) return m->error.code;
    if (name->kind != VALUE_STRING || module->kind != VALUE_STRING)
        return machine_fail(m, ERR_FORMAT, "a global without a proper name");
    return push_global(m, module->text.data, module->text.bytes, name->text.data, name->text.bytes);
}

static int op_reduce(PickleMachine *m)
{
    const Value *args = pop(m), *function = args ? pop(m) : NULL;
    return function ? push(m, call_function(m, function, args)) : m->error.code;
}

static int op_newobj(PickleMachine *m)
{
    const Value *args = pop(m), *class = args ? pop(m) : NULL;
    return class ? push(m, call_new(m, class)) : m->error.code;
}

static int op_newobj_ex(PickleMachine *m)
{
    return pop(m) ? op_newobj(m) : m->error.code; /* keyword arguments, positional arguments, class */
}

static int op_build(PickleMachine *m)
{
    const Value *state = pop(m);
    Value *object = state ? top(m) : NULL;
    return object ? call_build(m, object, state) : m->error.code;
}

static int op_binpersid(PickleMachine *m)
{
    const Value *id = pop(m);
    return id ? push(m, call_storage(m, id)) : m->error.code;
}

static int (*const opcodes[256])(PickleMachine *) = {
    [0x80] = op_proto,      [0x95] = op_frame,      ['N'] = op_none,          [0x88] = op_true,
    [0x89] = op_false,      ['K'] = op_binint1,     ['M'] = op_binint2,       ['J'] = op_binint,
    [0x8a] = op_long1,      [0x8b] = op_long4,      ['G'] = op_binfloat,      [0x8c] = op_short_unicode,
    ['X'] = op_unicode,     [0x8d] = op_unicode8,   ['U'] = op_short_string,  ['T'] = op_string,
    ['C'] = op_short_bytes, ['B'] = op_bytes,       [0x8e] = op_bytes8,       [0x96] = op_bytes8,
    ['('] = op_mark,        ['0'] = op_pop,         ['1'] = op_pop_mark,      ['2'] = op_dup,
    [']'] = op_empty_list,  [')'] = op_empty_tuple, ['}'] = op_empty_dict,    [0x8f] = op_empty_list,
    ['l'] = op_list,        ['t'] = op_tuple,       ['d'] = op_dict,          [0x91] = op_list,
    [0x85] = op_tuple1,     [0x86] = op_tuple2,     [0x87] = op_tuple3,       ['a'] = op_append,
    ['e'] = op_appends,     [0x90] = op_appends,    ['s'] = op_setitem,       ['u'] = op_setitems,
    ['q'] = op_binput,      ['r'] = op_long_binput, [0x94] = op_memoize,      ['h'] = op_binget,
    ['j'] = op_long_binget, ['c'] = op_global,      [0x93] = op_stack_global, ['R'] = op_reduce,
    [0x81] = op_newobj,     [0x92] = op_newobj_ex,  ['b'] = op_build,         ['Q'] = op_binpersid,
};

static int run(PickleMachine *m)
{
    for (;;) {
        const char *next = input(m, 1);
        if (!next) return m->error.code;
        const unsigned char opcode = (unsigned char)*next;
        if (opcode == '.') return 0;
        if (!opcodes[opcode])
            return machine_fail(m, ERR_UNSUPPORTED, "opcode 0x%02x, which no file of weights needs", opcode);
        TRY(opcodes[opcode](m));
        if (m->at > LENGTH_MAX) return machine_fail(m, ERR_UNSUPPORTED, "it is longer than %d MB", LENGTH_MAX >> 20);
    }
}

Value *machine_run(PickleMachine *m)
{
    Value *root = run(m) ? NULL : pop(m);
    if (root && (m->height || m->mark_count)) {
        machine_fail(m, ERR_FORMAT, "values are left on its stack");
        root = NULL;
    }
    if (!root) err_context(&m->error, "pickle byte %zu", m->at);
    mem_free(m->stack);
    mem_free(m->marks);
    mem_free(m->memo);
    return root;
}
