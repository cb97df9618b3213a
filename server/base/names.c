/* names.c: 1 to 64 letters, digits, '.', '_' and '-', of which the first is a letter or digit: no name is a hidden
 * file, a path or an option. */
#include "server/base/names.h"

#include <string.h>

const char *name_fault(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    size_t length = strlen(name);
    if (length == 0 || length >= NAME_BYTES)
        return "has not 1 to 64 characters";
    if (strchr("-_.", *name))
        return "does not begin with a letter or digit";
    return strspn(name, allowed) == length ? NULL : "has a character that is no letter, digit, '.', '_' or '-'";
}
