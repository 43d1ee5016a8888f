/* Files of tests/make_dicom.cc as bytes: what DCMTK cannot write. */
#ifndef TESTS_SUPPORT_DICOM_BYTES_H
#define TESTS_SUPPORT_DICOM_BYTES_H

#include <dcmtk/config/osconfig.h>

#include <dcmtk/dcmdata/dctypes.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>
#include <zlib.h>

[[noreturn]] static void fail(const std::string &text)
{
    fprintf(stderr, "make_dicom: %s\n", text.c_str());
    exit(1);
}

static std::vector<Uint8> read_bytes(const std::string &path)
{
    FILE *f = fopen(path.c_str(), "rb");
    std::vector<Uint8> bytes;
    if (!f) fail(path);
    for (int c; (c = getc(f)) != EOF;) bytes.push_back((Uint8)c);
    fclose(f);
    return bytes;
}

static void write_bytes(const std::string &path, const std::vector<Uint8> &bytes)
{
    FILE *f = fopen(path.c_str(), "wb");
    if (!f || fwrite(bytes.data(), 1, bytes.size(), f) < bytes.size() || fclose(f)) fail(path);
}

/* A sequence in a sequence in …: DCMTK cannot write very many. In the form of the transfer syntax, with delimiters. */
static std::vector<Uint8> nested(const std::string &syntax, int levels)
{
    const bool big = syntax == "big", implicit = syntax == "implicit";
    std::vector<Uint8> bytes;
    const auto number = [&](Uint32 value, int count) {
        for (int i = 0; i < count; i++) bytes.push_back((Uint8)(value >> 8 * (big ? count - 1 - i : i)));
    };
    const auto tag = [&](Uint32 element, Uint32 length) { number(0xfffe, 2), number(element, 2), number(length, 4); };
    for (int i = 0; i < levels; i++) {
        number(8, 2), number(0x1140, 2);
        if (!implicit) bytes.insert(bytes.end(), {'S', 'Q', 0, 0});
        number(0xffffffff, 4);
        tag(0xe000, 0xffffffff);
    }
    for (int i = 0; i < levels; i++) tag(0xe00d, 0), tag(0xe0dd, 0);
    return bytes;
}

static std::vector<Uint8> of_hex(const std::string &text)
{
    std::vector<Uint8> bytes;
    for (size_t i = 0; i + 1 < text.size(); i += 2) bytes.push_back((Uint8)std::stoul(text.substr(i, 2), NULL, 16));
    return bytes;
}

/* Empty elements of one group, in falling order. */
static std::vector<Uint8> falling(const std::string &syntax, int count)
{
    const bool big = syntax == "big";
    std::vector<Uint8> bytes;
    const auto number = [&](Uint32 value) {
        bytes.push_back((Uint8)(big ? value >> 8 : value)), bytes.push_back((Uint8)(big ? value : value >> 8));
    };
    for (int i = count; i > 0; i--) {
        number(9), number((Uint32)i);
        if (syntax == "implicit") number(0);
        else bytes.insert(bytes.end(), {'L', 'O'});
        number(0);
    }
    return bytes;
}

/* Raw deflate, or its undoing. */
static std::vector<Uint8> zipped(const std::vector<Uint8> &bytes, bool pack)
{
    z_stream s = {};
    std::vector<Uint8> made(bytes.size() * (pack ? 2 : 1032) + 64);
    s.next_in = const_cast<Uint8 *>(bytes.data()), s.avail_in = (uInt)bytes.size();
    s.next_out = made.data(), s.avail_out = (uInt)made.size();
    const int begun =
        pack ? deflateInit2(&s, 9, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY) : inflateInit2(&s, -MAX_WBITS);
    if (begun != Z_OK || (pack ? deflate(&s, Z_FINISH) : inflate(&s, Z_FINISH)) != Z_STREAM_END) fail("deflate");
    made.resize(s.total_out);
    if (made.size() & 1) made.push_back(0);
    if (pack) deflateEnd(&s);
    else inflateEnd(&s);
    return made;
}

/* Puts bytes at the beginning and at the end of a file's dataset. It is behind 132 bytes and the file's meta information, whose
 * length is in its first element. */
static void enclose(const std::string &path, const std::string &syntax, const std::vector<Uint8> &first,
                    const std::vector<Uint8> &last)
{
    const std::vector<Uint8> file = read_bytes(path);
    const size_t meta = 144 + file.at(140) + 256 * file.at(141);
    const bool deflated = syntax == "deflated";
    std::vector<Uint8> made(file.begin(), file.begin() + (long)meta), dataset(file.begin() + (long)meta, file.end());
    if (deflated) dataset = zipped(dataset, false);
    dataset.insert(dataset.begin(), first.begin(), first.end());
    dataset.insert(dataset.end(), last.begin(), last.end());
    if (deflated) dataset = zipped(dataset, true);
    made.insert(made.end(), dataset.begin(), dataset.end());
    write_bytes(path, made);
}

#endif
