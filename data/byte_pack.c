#include "data/byte_pack.h"

#include "data/zlib_memory.h"

enum {
    PIECE = 1 << 18,
    PIECES_AT_ONCE = 16,
    DICTIONARY = 1 << 15,             /* deflate's window */
    PIECE_BOUND = PIECE + PIECE / 16, /* more than deflateBound, and a flush */
    ENDS = 32                         /* bytes of header, last block and trailer */
};

/* A piece of the bytes, and its packed bytes. */
typedef struct Piece {
    const uint8_t *bytes;
    size_t count, before; /* before: bytes that precede it */
    uint8_t *packed;      /* PIECE_BOUND bytes */
    size_t packed_count;
    unsigned long check;
    bool failed; /* no memory */
} Piece;

static unsigned long check_of(bool gzip, const uint8_t *bytes, size_t count)
{
    return gzip ? crc32(crc32(0, NULL, 0), bytes, (unsigned)count)
                : adler32(adler32(0, NULL, 0), bytes, (unsigned)count);
}

static void pack_piece(Piece *p, bool gzip)
{
    const unsigned dictionary = (unsigned)(p->before < DICTIONARY ? p->before : DICTIONARY);
    z_stream z = zlib_stream();
    p->check = check_of(gzip, p->bytes, p->count);
    p->failed = deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY) != Z_OK;
    if (p->failed) return;
    if (dictionary) deflateSetDictionary(&z, p->bytes - dictionary, dictionary);
    z.next_in = (uint8_t *)p->bytes;
    z.avail_in = (unsigned)p->count;
    z.next_out = p->packed;
    z.avail_out = PIECE_BOUND;
    deflate(&z, Z_SYNC_FLUSH); /* the memory is large enough */
    p->packed_count = z.total_out;
    deflateEnd(&z);
}

static int emit_piece(Packer *p, const Piece *piece, Err *e)
{
    const z_off_t count = (z_off_t)piece->count;
    if (piece->failed) return err_set(e, ERR_NOMEM, "no memory to pack %zu bytes", piece->count);
    p->check = p->gzip ? crc32_combine(p->check, piece->check, count) : adler32_combine(p->check, piece->check, count);
    p->count += piece->count;
    return p->emit(p->context, piece->packed, piece->packed_count, e);
}

/* Packs and emits some pieces, in the memory of `packed`. */
static int pack_pieces(Packer *p, const uint8_t *data, size_t first, size_t bytes, uint8_t *packed, Err *e)
{
    Piece pieces[PIECES_AT_ONCE];
    int count = 0;
    for (; count < PIECES_AT_ONCE && first < bytes; count++, first += PIECE)
        pieces[count] = (Piece){.bytes = data + first,
                                .count = bytes - first < PIECE ? bytes - first : PIECE,
                                .before = first,
                                .packed = packed + (size_t)count * PIECE_BOUND};
#pragma omp parallel for schedule(dynamic) if (count > 1)
    for (int i = 0; i < count; i++) pack_piece(&pieces[i], p->gzip);
    for (int i = 0; i < count; i++) TRY(emit_piece(p, &pieces[i], e));
    return 0;
}

int pack_bytes(Packer *p, const void *data, size_t bytes, Err *e)
{
    const size_t pieces = bytes / PIECE + 1;
    if (!bytes) return 0;
    uint8_t *packed = mem_alloc((pieces < PIECES_AT_ONCE ? pieces : PIECES_AT_ONCE) * PIECE_BOUND, e);
    int failed = packed ? 0 : ERR_NOMEM;
    for (size_t first = 0; first < bytes && !failed; first += (size_t)PIECES_AT_ONCE * PIECE)
        failed = pack_pieces(p, data, first, bytes, packed, e);
    mem_free(packed);
    return failed;
}

int pack_begin(Packer *p, bool gzip, PackEmit emit, void *context, Err *e)
{
    /* RFC 1952: deflate, no name, no time, made on Unix. RFC 1950: deflate with a window of 32 KiB. */
    static const uint8_t gzip_header[] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3}, zlib_header[] = {0x78, 0x9c};
    *p = (Packer){.gzip = gzip, .check = check_of(gzip, NULL, 0), .emit = emit, .context = context};
    return gzip ? emit(context, gzip_header, sizeof gzip_header, e) : emit(context, zlib_header, sizeof zlib_header, e);
}

int pack_end(Packer *p, Err *e)
{
    uint8_t end[10] = {3, 0}; /* the last block, which is empty; then the check (and the length, both modulo 2^32) */
    for (int i = 0; i < 4; i++) {
        end[2 + i] = (uint8_t)(p->check >> (p->gzip ? 8 * i : 24 - 8 * i));
        end[6 + i] = (uint8_t)(p->count >> 8 * i);
    }
    return p->emit(p->context, end, p->gzip ? 10 : 6, e);
}

size_t pack_bound(size_t bytes) { return bytes + bytes / 16 + PIECE_BOUND - PIECE + ENDS; }
