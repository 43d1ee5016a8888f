/* Text for HTML pages. */
#ifndef EVALUATION_HTML_H
#define EVALUATION_HTML_H

#include "base/text.h"

/* Adds text with &, <, > and quotes escaped. */
void html_add(Text *out, const char *text);

#endif
