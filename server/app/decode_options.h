/* decode_options.h: how captions are to be written, on the command line. Names, ranges and descriptions are the
 * library's own table (caption.h).
 *
 *     decode_options decode;
 *     option table[SOME + DECODE_OPTIONS] = {...};
 *     decode_options_list(&decode, table + n);      the last one ends the table
 *     if (!options_parse(...) || decode_options_apply("caption", &decode, &status)) return status;
 *     caption_generate(session, model, &decode.values, ...); */
#ifndef SERVER_DECODE_OPTIONS_H
#define SERVER_DECODE_OPTIONS_H

#include "model/caption.h"
#include "server/base/options.h"

enum { DECODE_OPTIONS = 16 };

typedef struct decode_options {
    caption_options values;
    const char *choice[DECODE_OPTIONS]; /* as text, of options that are choices */
} decode_options;

/* Sets the defaults and writes the options to table [DECODE_OPTIONS], with {0} behind them. */
void decode_options_list(decode_options *o, option *table);

/* After parsing: 0, or 1 if the options do not fit each other, which is then said. */
int decode_options_apply(const char *command, decode_options *o, int *status);

#endif
