/* option.c: see option.h. The words in which a wrong value is refused are here and nowhere else. */
#include "model/option.h"

#include <stdio.h>
#include <string.h>

int caption_option_choice(const char *choices, const char *word)
{
    size_t length = strlen(word);
    int i = 0;
    for (const char *choice = choices; choice; choice = strchr(choice, '|'), i++) {
        choice += *choice == '|';
        if (strcspn(choice, "|") == length && strncmp(choice, word, length) == 0)
            return i;
    }
    return -1;
}

const char *caption_option_range(const caption_option *o, char out[CAPTION_OPTION_TEXT_BYTES])
{
    switch (o->type) {
    case CAPTION_OPTION_INTEGER:
    case CAPTION_OPTION_REAL:
        snprintf(out, CAPTION_OPTION_TEXT_BYTES, "a %snumber from %.12g to %.12g",
                 o->type == CAPTION_OPTION_INTEGER ? "whole " : "", o->minimum, o->maximum);
        break;
    case CAPTION_OPTION_SEED:
        if (!(o->maximum > 0))
            return "a whole number from 0 to 18446744073709551615";
        snprintf(out, CAPTION_OPTION_TEXT_BYTES, "a whole number from 0 to %.0f", o->maximum);
        break;
    case CAPTION_OPTION_FLAG:
        return "true or false";
    case CAPTION_OPTION_CHOICE:
        snprintf(out, CAPTION_OPTION_TEXT_BYTES, "one of %s", o->choices);
    }
    return out;
}

int caption_option_check(const caption_option *o, const void *options, caption_error *err)
{
    const void *member = (const char *)options + o->offset;
    char range[CAPTION_OPTION_TEXT_BYTES];
    if (o->type == CAPTION_OPTION_SEED)
        return CAPTION_OK;
    const double value = o->type == CAPTION_OPTION_REAL ? *(const double *)member : *(const int *)member;
    if (value >= o->minimum && value <= o->maximum) /* NaN is neither */
        return CAPTION_OK;
    return caption_fail(err, CAPTION_EINVAL, "%s: %g is not %s", o->name, value, caption_option_range(o, range));
}
