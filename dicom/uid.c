/* UIDs are random, because DCMTK's are made of host, process and time: in two containers these may be equal. */
#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "dicom/segmentation.h"

/* Appends the 128 bits as a decimal number. */
static void append_decimal(char *to, const uint8_t bytes[16])
{
    char digits[40];
    uint8_t rest[16];
    int count = 0;
    memcpy(rest, bytes, sizeof rest);
    for (int more = 1; more;) {
        unsigned remainder = 0;
        more = 0;
        for (int i = 0; i < 16; i++) {
            const unsigned value = remainder << 8 | rest[i];
            rest[i] = (uint8_t)(value / 10);
            remainder = value % 10;
            more |= rest[i];
        }
        digits[count++] = (char)('0' + remainder);
    }
    while (count) *to++ = digits[--count];
    *to = '\0';
}

/* In place of glibc's, which DCMTK calls for each UID: that one looks up the host's name, in the network if it must, and without
 * memory it does not end. DCMTK's UIDs are replaced in what is written. */
__attribute__((visibility("default"))) long gethostid(void) { return 0; }

int uid_new(char uid[UID_BYTES], Err *e)
{
    uint8_t bytes[16];
    if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes) return err_errno(e, errno, "no random numbers");
    bytes[6] = (bytes[6] & 0x0f) | 0x40; /* version 4 */
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    strcpy(uid, "2.25.");
    append_decimal(uid + 5, bytes);
    return 0;
}
