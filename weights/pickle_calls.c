/* The functions that a pickle of weights may call, and the Values that instances and states become.
 *
 * Sources: torch/_utils.py (_rebuild_tensor_v2, _rebuild_parameter), torch/serialization.py
 * (persistent_load), numpy/_core/src/multiarray (__reduce__ and __setstate__ of arrays and types). */
#include <stdio.h>
#include <string.h>

#include "base/half.h"
#include "base/text.h"
#include "weights/bytes.h"
#include "weights/pickle_machine.h"

static bool is_global(const Value *v, const char *module, const char *name)
{
    return v->kind == VALUE_GLOBAL && !strcmp(v->global.module, module) && !strcmp(v->global.name, name);
}

static bool is_string(const Value *v, const char *text)
{
    const size_t bytes = strlen(text);
    return v->kind == VALUE_STRING && v->text.bytes == bytes && !memcmp(v->text.data, text, bytes);
}

/* Sets the error and returns NULL, so that callers can return it. */
static Value *refuse(PickleMachine *m, const char *what)
{
    machine_fail(m, ERR_FORMAT, "%s", what);
    return NULL;
}

static Value *make_object(PickleMachine *m, const char *module, const char *name)
{
    Value *v = machine_value(m, VALUE_OBJECT);
    if (!v) return NULL;
    v->global.module = module;
    v->global.name = name;
    return v;
}

/* ---- storages and tensors ---- */

Value *call_storage(PickleMachine *m, const Value *id)
{
    static const struct {
        const char *name;
        DType dtype;
    } types[] = {
        {"FloatStorage", DTYPE_F32},     {"DoubleStorage", DTYPE_F64}, {"HalfStorage", DTYPE_F16},
        {"BFloat16Storage", DTYPE_BF16}, {"CharStorage", DTYPE_I8},    {"ShortStorage", DTYPE_I16},
        {"IntStorage", DTYPE_I32},       {"LongStorage", DTYPE_I64},   {"ByteStorage", DTYPE_U8},
        {"BoolStorage", DTYPE_BOOL},
    };
    if (id->kind != VALUE_TUPLE || id->list.count < 5 || !is_string(id->list.items[0], "storage"))
        return refuse(m, "a persistent reference that is no storage; save the state_dict, not the module");
    const Value *type = id->list.items[1], *key = id->list.items[2], *count = id->list.items[4];
    if (type->kind != VALUE_GLOBAL || key->kind != VALUE_STRING || count->kind != VALUE_INT || count->integer < 0)
        return refuse(m, "a storage without type, key or count");
    if (id->list.count > 5 && id->list.items[5]->kind != VALUE_NONE)
        return refuse(m, "a storage that views another one; save it with PyTorch 0.4 or newer");
    size_t i = 0;
    while (i < sizeof types / sizeof *types && !is_global(type, "torch", types[i].name)) i++;
    if (i == sizeof types / sizeof *types) {
        machine_fail(m, ERR_UNSUPPORTED, "storage type %s.%s", type->global.module, type->global.name);
        return NULL;
    }
    Value *v = machine_value(m, VALUE_STORAGE);
    PickleStorage *s = v ? machine_take(m, sizeof *s) : NULL;
    if (!s) return NULL;
    *s = (PickleStorage){types[i].dtype, key->text.data, count->integer, NULL, false, m->out->storages};
    v->storage = m->out->storages = s;
    return v;
}

static bool read_extents(const Value *list, int64_t *extents)
{
    for (uint32_t i = 0; i < list->list.count; i++) {
        if (list->list.items[i]->kind != VALUE_INT || list->list.items[i]->integer < 0) return false;
        extents[i] = list->list.items[i]->integer;
    }
    return true;
}

/* Whether every element of the tensor, whose shape was checked, lies within its storage. */
static bool fits(const PickleTensor *t)
{
    int64_t last = t->offset, count = 1;
    for (int i = 0; i < t->rank; i++) {
        int64_t reach;
        count *= t->shape[i];
        if (!t->shape[i]) continue;
        if (__builtin_mul_overflow(t->shape[i] - 1, t->stride[i], &reach)) return false;
        if (__builtin_add_overflow(last, reach, &last)) return false;
    }
    return count ? last < t->storage->count : t->offset <= t->storage->count;
}

/* (storage, offset, shape, strides, requires_grad, hooks[, metadata]) */
static Value *rebuild_tensor(PickleMachine *m, const Value *args)
{
    static const char bad[] = "a tensor with unexpected arguments";
    if (args->list.count < 6 || args->list.count > 7) return refuse(m, bad);
    Value *const *arg = args->list.items;
    const Value *shape = arg[2], *stride = arg[3];
    if (arg[0]->kind != VALUE_STORAGE || arg[1]->kind != VALUE_INT || arg[1]->integer < 0 ||
        shape->kind != VALUE_TUPLE || stride->kind != VALUE_TUPLE || shape->list.count != stride->list.count)
        return refuse(m, bad);
    if (shape->list.count > ARRAY_MAX_RANK) return refuse(m, "a tensor of more than 8 dimensions");
    Value *v = machine_value(m, VALUE_TENSOR);
    PickleTensor *t = v ? machine_take(m, sizeof *t) : NULL;
    if (!t) return NULL;
    *t = (PickleTensor){.storage = arg[0]->storage, .offset = arg[1]->integer, .rank = (int)shape->list.count};
    v->tensor = t;
    if (!read_extents(shape, t->shape) || !read_extents(stride, t->stride))
        return refuse(m, "a tensor with a shape or stride that is negative or no integer");
    if (array_check_shape(t->storage->dtype, t->rank, t->shape, &(size_t){0}, NULL))
        return refuse(m, "a tensor whose extents multiply to more than 2^63 bytes");
    if (fits(t)) return v;
    machine_fail(m, ERR_FORMAT, "a tensor's shape, strides and offset reach beyond its storage '%s' (%lld)",
                 t->storage->key, (long long)t->storage->count);
    return NULL;
}

/* (tensor, requires_grad, hooks) */
static Value *rebuild_parameter(PickleMachine *m, const Value *args)
{
    if (args->list.count != 3 || args->list.items[0]->kind != VALUE_TENSOR)
        return refuse(m, "a parameter without a tensor");
    return args->list.items[0];
}

/* ---- devices, sizes, dictionaries, bytes ---- */

/* (type,) or (type, index): becomes the string that PyTorch prints. */
static Value *make_device(PickleMachine *m, const Value *args)
{
    char text[64];
    const uint32_t count = args->list.count;
    if (count < 1 || count > 2 || args->list.items[0]->kind != VALUE_STRING ||
        (count == 2 && args->list.items[1]->kind != VALUE_INT))
        return refuse(m, "a device without a name");
    const char *type = args->list.items[0]->text.data;
    const int64_t index = count == 2 ? args->list.items[1]->integer : 0;
    if (count == 2) snprintf(text, sizeof text, "%.32s:%lld", type, (long long)index);
    else snprintf(text, sizeof text, "%.32s", type);
    return machine_text(m, VALUE_STRING, text, strlen(text));
}

static Value *make_size(PickleMachine *m, const Value *args)
{
    if (args->list.count != 1 || args->list.items[0]->kind != VALUE_TUPLE)
        return refuse(m, "a torch.Size whose argument is no tuple");
    return args->list.items[0];
}

/* () or ([(key, value), …],) */
static Value *make_ordered_dict(PickleMachine *m, const Value *args)
{
    Value *dict = machine_value(m, VALUE_DICT);
    if (!dict || !args->list.count) return dict;
    const Value *pairs = args->list.items[0];
    if (args->list.count != 1 || (pairs->kind != VALUE_LIST && pairs->kind != VALUE_TUPLE))
        return refuse(m, "an OrderedDict of no pairs");
    for (uint32_t i = 0; i < pairs->list.count; i++) {
        const Value *pair = pairs->list.items[i];
        if ((pair->kind != VALUE_LIST && pair->kind != VALUE_TUPLE) || pair->list.count != 2)
            return refuse(m, "an OrderedDict of no pairs");
        for (int k = 0; k < 2; k++)
            if (machine_append(m, dict, pair->list.items[k])) return NULL;
    }
    return dict;
}

/* (text, "latin1"): the form of bytes in protocol 2. */
static Value *encode(PickleMachine *m, const Value *args)
{
    if (args->list.count != 2 || args->list.items[0]->kind != VALUE_STRING ||
        !(is_string(args->list.items[1], "latin1") || is_string(args->list.items[1], "latin-1")))
        return refuse(m, "bytes that are not encoded as latin1");
    const Value *text = args->list.items[0];
    Value *v = machine_text(m, VALUE_BYTES, text->text.data, text->text.bytes);
    if (!v) return NULL;
    char *to = (char *)v->text.data; /* decoded in place, in the copy */
    size_t count = 0;
    for (size_t i = 0; i < text->text.bytes; i++) {
        unsigned char c = (unsigned char)text->text.data[i];
        if (c > 0xc3) return refuse(m, "bytes with a character beyond latin1");
        if (c >= 0xc0) c = (unsigned char)(c << 6 | (text->text.data[++i] & 0x3f));
        to[count++] = (char)c;
    }
    v->text.bytes = count;
    return v;
}

/* ---- NumPy ---- */

/* ("f8", align, copy); an unsupported type becomes an inert object. */
static Value *make_dtype(PickleMachine *m, const Value *args)
{
    static const struct {
        const char *name;
        DType dtype;
    } types[] = {
        {"f4", DTYPE_F32}, {"f8", DTYPE_F64}, {"f2", DTYPE_F16}, {"i1", DTYPE_I8},
        {"i2", DTYPE_I16}, {"i4", DTYPE_I32}, {"i8", DTYPE_I64}, {"u1", DTYPE_U8},
        {"u2", DTYPE_U16}, {"u4", DTYPE_U32}, {"u8", DTYPE_U64}, {"b1", DTYPE_BOOL},
    };
    if (args->list.count < 1 || args->list.items[0]->kind != VALUE_STRING)
        return refuse(m, "a NumPy type without a name");
    const char *name = args->list.items[0]->text.data;
    if (*name == '<' || *name == '=' || *name == '|') name++;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (strcmp(name, types[i].name)) continue;
        Value *v = machine_value(m, VALUE_DTYPE);
        if (v) v->dtype = types[i].dtype;
        return v;
    }
    return make_object(m, "numpy", "dtype");
}

/* Decodes a scalar of a type; sets v's kind. */
static void read_scalar(Value *v, DType dtype, const char *data)
{
    const int bytes = (int)dtype_size(dtype), unused = 64 - 8 * bytes;
    const uint64_t bits = bytes_le(data, bytes);
    float single;
    v->kind = VALUE_FLOAT;
    switch (dtype) {
    case DTYPE_F64: memcpy(&v->number, data, 8); break;
    case DTYPE_F32:
        memcpy(&single, data, 4);
        v->number = (double)single;
        break;
    case DTYPE_F16: v->number = half_to_double((uint16_t)bits); break;
    case DTYPE_BOOL:
        v->kind = VALUE_BOOL;
        v->truth = bits;
        break;
    case DTYPE_U8:
    case DTYPE_U16:
    case DTYPE_U32:
    case DTYPE_U64:
        v->kind = VALUE_INT;
        v->integer = bits < INT64_MAX ? (int64_t)bits : INT64_MAX; /* larger values are not needed */
        break;
    default: v->kind = VALUE_INT; v->integer = (int64_t)(bits << unused) >> unused;
    }
}

/* (type, bytes) */
static Value *make_scalar(PickleMachine *m, const Value *args)
{
    const Value *type = args->list.count ? args->list.items[0] : args;
    if (type->kind == VALUE_OBJECT) return make_object(m, "numpy", "generic");
    if (type->kind != VALUE_DTYPE || args->list.count != 2 || args->list.items[1]->kind != VALUE_BYTES ||
        args->list.items[1]->text.bytes != dtype_size(type->dtype))
        return refuse(m, "a NumPy scalar whose bytes do not fit its type");
    Value *v = machine_value(m, VALUE_FLOAT);
    if (v) read_scalar(v, type->dtype, args->list.items[1]->text.data);
    return v;
}

/* (numpy.ndarray, (0,), b"b"): an array whose content BUILD sets. */
static Value *make_ndarray(PickleMachine *m, const Value *args)
{
    if (!args->list.count || !is_global(args->list.items[0], "numpy", "ndarray"))
        return refuse(m, "a NumPy array of another class than numpy.ndarray");
    Value *v = machine_value(m, VALUE_TENSOR);
    if (v) v->tensor = machine_take(m, sizeof *v->tensor);
    return v && v->tensor ? v : NULL;
}

/* (version, shape, type, column-major, bytes) */
static int fill_ndarray(PickleMachine *m, Value *array, const Value *state)
{
    static const char bad[] = "a NumPy array whose bytes do not fit its type and shape";
    if (state->kind != VALUE_TUPLE || state->list.count != 5) return machine_fail(m, ERR_FORMAT, bad);
    const Value *shape = state->list.items[1], *type = state->list.items[2];
    const Value *column_major = state->list.items[3], *data = state->list.items[4];
    if (type->kind == VALUE_OBJECT) {
        array->kind = VALUE_OBJECT;
        array->global.module = "numpy";
        array->global.name = "ndarray";
        return 0;
    }
    PickleTensor *t = array->tensor;
    if (type->kind != VALUE_DTYPE || shape->kind != VALUE_TUPLE || shape->list.count > ARRAY_MAX_RANK ||
        !read_extents(shape, t->shape) || column_major->kind != VALUE_BOOL || data->kind != VALUE_BYTES)
        return machine_fail(m, ERR_FORMAT, bad);
    t->rank = (int)shape->list.count;
    int64_t count = 1;
    size_t size;
    if (array_check_shape(type->dtype, t->rank, t->shape, &size, NULL) || size != data->text.bytes)
        return machine_fail(m, ERR_FORMAT, bad);
    for (int i = 0; i < t->rank; i++) {
        const int axis = column_major->truth ? i : t->rank - 1 - i;
        t->stride[axis] = count;
        count *= t->shape[axis];
    }
    PickleStorage *s = machine_take(m, sizeof *s);
    if (!s) return m->error.code;
    *s = (PickleStorage){type->dtype, "", count, data->text.data, true, NULL};
    t->storage = s;
    return 0;
}

/* ---- dispatch ---- */

int call_build(PickleMachine *m, Value *object, const Value *state)
{
    if (object->kind == VALUE_OBJECT || object->kind == VALUE_DICT) return 0; /* attributes are not used */
    if (object->kind == VALUE_TENSOR && !object->tensor->storage) return fill_ndarray(m, object, state);
    if (object->kind != VALUE_DTYPE) return machine_fail(m, ERR_FORMAT, "a state for an object that cannot have one");
    /* (version, byte order, …): a type of the other byte order becomes an inert object. */
    if (state->kind == VALUE_TUPLE && state->list.count > 1 && is_string(state->list.items[1], ">")) {
        object->kind = VALUE_OBJECT;
        object->global.module = "numpy";
        object->global.name = "dtype";
    }
    return 0;
}

Value *call_new(PickleMachine *m, const Value *class)
{
    if (class->kind != VALUE_GLOBAL) return refuse(m, "an instance of a value that is no class");
    if (is_global(class, "collections", "OrderedDict")) return machine_value(m, VALUE_DICT);
    return make_object(m, class->global.module, class->global.name);
}

Value *call_function(PickleMachine *m, const Value *function, const Value *args)
{
    static const struct {
        const char *module, *name;
        Value *(*make)(PickleMachine *, const Value *);
    } known[] = {
        {"torch._utils", "_rebuild_tensor_v2", rebuild_tensor},
        {"torch._utils", "_rebuild_parameter", rebuild_parameter},
        {"torch", "device", make_device},
        {"torch", "Size", make_size},
        {"collections", "OrderedDict", make_ordered_dict},
        {"_codecs", "encode", encode},
        {"numpy", "dtype", make_dtype},
        {"numpy.core.multiarray", "scalar", make_scalar},
        {"numpy._core.multiarray", "scalar", make_scalar},
        {"numpy.core.multiarray", "_reconstruct", make_ndarray},
        {"numpy._core.multiarray", "_reconstruct", make_ndarray},
    };
    if (function->kind != VALUE_GLOBAL || args->kind != VALUE_TUPLE)
        return refuse(m, "a call of a value that is no function");
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (is_global(function, known[i].module, known[i].name)) return known[i].make(m, args);
    machine_fail(m, ERR_UNSUPPORTED, "it asks to call %s.%s; files of weights need no such call, refused",
                 function->global.module, function->global.name);
    return NULL;
}
