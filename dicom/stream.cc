#include "dicom/stream.h"

#include <dcmtk/oflog/oflog.h>
#include <dcmtk/oflog/spi/logevent.h>

#include <cstring>

thread_local unsigned DicomStream::out_of_order;

namespace
{
/* Counts DCMTK's warnings of elements that are out of order; no warning is printed. */
class OrderWarnings : public dcmtk::log4cplus::Appender
{
  public:
    ~OrderWarnings() override { destructorImpl(); }
    void close() override {}

  protected:
    void append(const dcmtk::log4cplus::spi::InternalLoggingEvent &event) override
    {
        const char *text = event.getMessage().c_str();
        if (strstr(text, "not in ascending tag order") || strstr(text, "found twice")) DicomStream::out_of_order++;
    }
};
} // namespace

void DicomStream::begin()
{
    OFLog::configure(OFLogger::WARN_LOG_LEVEL);
    dcmtk::log4cplus::Logger root = dcmtk::log4cplus::Logger::getRoot();
    root.removeAllAppenders();
    root.addAppender(dcmtk::log4cplus::SharedAppenderPtr(new OrderWarnings));
}
