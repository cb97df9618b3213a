/* error.c: formats the reason of a failure into the caller's buffer and returns its status (error.h). */
#include "model/error.h"

#include <stdarg.h>
#include <stdio.h>

int caption_fail(caption_error *err, enum caption_status code, const char *format, ...)
{
    if (err) {
        va_list args;
        va_start(args, format);
        vsnprintf(err->message, sizeof err->message, format, args);
        va_end(args);
    }
    return code;
}
