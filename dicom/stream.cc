#include "dicom/stream.h"

#include <dcmtk/oflog/oflog.h>
#include <dcmtk/oflog/spi/logevent.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <zlib.h>

thread_local unsigned DicomStream::out_of_order, DicomStream::tags[];

void DicomStream::note_order(unsigned tag, bool is_twice)
{
    if (out_of_order > MOST_OUT_OF_ORDER || (!is_twice && std::count(tags, tags + out_of_order, tag))) return;
    tags[out_of_order++] = is_twice ? 0 : tag;
}

namespace
{
/* Takes DCMTK's warnings of elements that are out of order from the others; no warning is printed. */
class OrderWarnings : public dcmtk::log4cplus::Appender
{
  public:
    ~OrderWarnings() override { destructorImpl(); }
    void close() override {}

  protected:
    void append(const dcmtk::log4cplus::spi::InternalLoggingEvent &event) override
    {
        unsigned group = 0, element = 0;
        const char *text = event.getMessage().c_str();
        const char *place = strstr(text, "not in ascending tag order, at element ");
        if (place) sscanf(place, "%*[^(](%x,%x)", &group, &element);
        if (place || strstr(text, "found twice")) DicomStream::note_order(group << 16 | element, !place);
    }
};
} // namespace

bool DicomStream::has_end() const
{
    Bytef unpacked[1 << 14];
    z_stream z = {};
    int done = Z_OK;
    if (!is_deflated) return true;
    if (inflateInit2(&z, -MAX_WBITS) != Z_OK) return false;
    for (size_t at = deflated_from; done == Z_OK && (at < count || !z.avail_out);) {
        const uInt given = (uInt)std::min(count - at, (size_t)1 << 30);
        z.next_in = reinterpret_cast<Bytef *>(const_cast<char *>(bytes + at));
        z.avail_in = given;
        z.next_out = unpacked;
        z.avail_out = sizeof unpacked;
        done = inflate(&z, Z_NO_FLUSH);
        at += given - z.avail_in;
    }
    inflateEnd(&z);
    return done == Z_STREAM_END;
}

void DicomStream::begin()
{
    OFLog::configure(OFLogger::WARN_LOG_LEVEL);
    dcmtk::log4cplus::Logger root = dcmtk::log4cplus::Logger::getRoot();
    root.removeAllAppenders();
    root.addAppender(dcmtk::log4cplus::SharedAppenderPtr(new OrderWarnings));
}
