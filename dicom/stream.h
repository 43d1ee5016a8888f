/* The bytes of a file as DCMTK reads them, which may be made to harm it; for the files in C++. */
#ifndef DICOM_STREAM_H
#define DICOM_STREAM_H

#include <dcmtk/config/osconfig.h>

#include <dcmtk/dcmdata/dcerror.h>
#include <dcmtk/dcmdata/dcistrmb.h>

#include <cstdint>

/* DCMTK calls itself for each sequence within a sequence, without a limit: some hundred kB of nested sequences would
 * take the whole stack. Whatever it reads, it asks the stream for its status first. So the stream tells an error where
 * the stack has grown too much since the stream was made. The rest of the file is not read then, deflated or not. */
class DicomStream : public DcmInputBufferStream
{
  public:
    /* bytes: borrowed. Reads are to be made on the same stack. */
    DicomStream(const void *bytes, size_t count) : start(stack_now())
    {
        setBuffer(bytes, (offile_off_t)count);
        setEos();
    }

    OFCondition status() const override
    {
        const uintptr_t now = stack_now(), used = now > start ? now - start : start - now;
        if (used < MOST_STACK) return DcmInputBufferStream::status();
        return makeOFCondition(OFM_dcmdata, 0xffff, OF_error, "sequences within sequences, hundreds of levels deep");
    }

  private:
    /* A sequence takes about 500 bytes: read, and later freed. The stack is 8 MiB where nobody has changed it. */
    enum { MOST_STACK = 256 << 10 };
    const uintptr_t start;

    static uintptr_t stack_now() { return reinterpret_cast<uintptr_t>(__builtin_frame_address(0)); }
};

#endif
