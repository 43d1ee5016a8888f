/* The bytes of a file as DCMTK reads them, which may be made to harm it; for the files in C++. */
#ifndef DICOM_STREAM_H
#define DICOM_STREAM_H

#include <dcmtk/config/osconfig.h>

#include <dcmtk/dcmdata/dcerror.h>
#include <dcmtk/dcmdata/dcistrmb.h>

#include <cstdint>

/* DCMTK calls itself for each sequence within a sequence, without a limit: some hundred kB of nested sequences would
 * take the whole stack. And it looks for the place of each element among those before it, from the last one on: for
 * elements in falling order, or given twice, the time is quadratic. Whatever it reads, it asks the stream for its
 * status first. So the stream tells an error where the stack has grown too much since the stream was made, and after
 * too many tags that are out of order. Tags are counted, not elements: an object may have the same two out of order in
 * each of its items, which takes no time. The rest of the file is not read then, deflated or not.
 *
 * DCMTK also takes memory for what the header of an element claims, and then looks whether the file has so much. Long
 * elements of a stream that can be opened again are left where they are until they are wanted, and their length is
 * compared at once. So this stream can be. A deflated one cannot: there the claim takes addresses, but no memory. */
class DicomStream : public DcmInputBufferStream
{
  public:
    /* Once, before the first stream: DCMTK's warnings are counted from then on, and not printed. */
    static void begin();

    /* file: its bytes, borrowed as long as what was read is used. Reads are to be made on the same stack. */
    DicomStream(const void *file, size_t size) : bytes(static_cast<const char *>(file)), count(size), start(stack_now())
    {
        setBuffer(bytes, (offile_off_t)count);
        setEos();
        out_of_order = 0;
    }

    OFCondition status() const override
    {
        const uintptr_t now = stack_now(), used = now > start ? now - start : start - now;
        if (used >= MOST_STACK)
            return makeOFCondition(OFM_dcmdata, 0xffff, OF_error,
                                   "sequences within sequences, hundreds of levels deep");
        if (out_of_order > MOST_OUT_OF_ORDER)
            return makeOFCondition(OFM_dcmdata, 0xffff, OF_error,
                                   "hundreds of elements are there twice or not in the order of their tags");
        return DcmInputBufferStream::status();
    }

    DcmInputStreamFactory *newFactory() const override
    {
        return is_deflated ? NULL : new Rest(bytes + tell(), count - (size_t)tell());
    }

    OFCondition installCompressionFilter(E_StreamCompression filter) override
    {
        is_deflated = true;
        deflated_from = (size_t)tell();
        return DcmInputBufferStream::installCompressionFilter(filter);
    }

    /* Whether what is deflated comes to its end: DCMTK does not look, and the last bytes may be wrong then. */
    bool has_end() const;

    /* An element of the file that this thread reads is out of order, or there twice (then its tag does not matter). */
    static void note_order(unsigned tag, bool is_twice);

  private:
    enum { MOST_OUT_OF_ORDER = 256 }; /* real files have a few */
    static thread_local unsigned out_of_order, tags[MOST_OUT_OF_ORDER + 1];
    /* A sequence takes about 500 bytes: read, and later freed. The stack is 8 MiB where nobody has changed it. */
    enum { MOST_STACK = 256 << 10 };
    const char *const bytes;
    const size_t count;
    bool is_deflated = false;
    size_t deflated_from = 0;
    const uintptr_t start;

    /* The bytes from a place on, to be read again. */
    struct Rest : DcmInputStreamFactory {
        const char *bytes;
        size_t count;

        Rest(const char *from, size_t left) : bytes(from), count(left) {}
        DcmInputStreamFactory *clone() const override { return new Rest(bytes, count); }
        DcmInputStreamFactoryType ident() const override { return DFT_DcmInputFileStreamFactory; }
        DcmInputStream *create() const override
        {
            DcmInputBufferStream *stream = new DcmInputBufferStream;
            stream->setBuffer(bytes, (offile_off_t)count);
            stream->setEos();
            return stream;
        }
    };

    static uintptr_t stack_now() { return reinterpret_cast<uintptr_t>(__builtin_frame_address(0)); }
};

#endif
