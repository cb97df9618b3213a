/* decode_options.c: the decoding options of the command line, from the library's own table (decode_options.h). */
#include "server/app/decode_options.h"

#include <string.h>

void decode_options_list(decode_options *o, option *table)
{
    static const option_type types[] = {
        [CAPTION_OPTION_INTEGER] = OPTION_INTEGER, [CAPTION_OPTION_REAL] = OPTION_REAL,
        [CAPTION_OPTION_CHOICE] = OPTION_CHOICE,   [CAPTION_OPTION_FLAG] = OPTION_FLAG,
        [CAPTION_OPTION_SEED] = OPTION_SEED,
    };
    static const char *const arguments[] = {[CAPTION_OPTION_INTEGER] = "N",
                                            [CAPTION_OPTION_REAL] = "X",
                                            [CAPTION_OPTION_SEED] = "N",
                                            [CAPTION_OPTION_FLAG] = NULL};
    const caption_option *c;
    size_t n = 0;
    *o = (decode_options){.values = caption_defaults()};
    for (; (c = caption_option_at(n)) != NULL && n + 1 < DECODE_OPTIONS; n++) {
        int is_choice = c->type == CAPTION_OPTION_CHOICE;
        o->choice[n] = "greedy"; /* the one choice there is */
        table[n] = (option){.name = c->name,
                            .type = types[c->type],
                            .value = is_choice ? (void *)&o->choice[n] : (char *)&o->values + c->offset,
                            .minimum = c->minimum,
                            .maximum = c->maximum,
                            .argument = is_choice ? c->choices : arguments[c->type],
                            .help = c->help};
    }
    table[n] = (option){0};
}

int decode_options_apply(const char *command, decode_options *o, int *status)
{
    const caption_option *c;
    caption_error err;
    for (size_t i = 0; (c = caption_option_at(i)) != NULL; i++)
        if (c->type == CAPTION_OPTION_CHOICE)
            *(int *)(void *)((char *)&o->values + c->offset) = caption_option_choice(c, o->choice[i]);
    if (caption_options_check(&o->values, &err) == CAPTION_OK)
        return 0;
    *status = options_refuse(command, "--%s", err.message);
    return 1;
}
