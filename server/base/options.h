/* options.h: the one type of option, and the one reader of values: for the command line of every command, and for
 * queries, form fields and JSON (http/input.h).
 *
 *     int port = 8080;
 *     const option table[] = {
 *         {"port", OPTION_INTEGER, &port, 0, 65535, "N", "TCP port to listen on"},
 *         {0},
 *     };
 *     const options_usage usage = {"serve", "", "Serve captions over HTTP.", table, 0, 0};
 *     int status;
 *     if (!options_parse(&usage, &argc, &argv, &status))
 *         return status;
 *
 * Each option is --name VALUE or --name=VALUE and has the environment twin CAPTIOND_NAME (dashes become underscores; a
 * few have another, because their name means something else in another command). What the pointed-to variable holds
 * before the call is the default that --help prints; the environment overrides it, the command line overrides both, and
 * an empty environment variable counts as unset. A wrong one is one line on stderr and exit status 2. */
#ifndef SERVER_OPTIONS_H
#define SERVER_OPTIONS_H

#include "model/option.h"

#define CAPTIOND_VERSION "0.1.0"

typedef enum option_type {
    OPTION_INTEGER = CAPTION_OPTION_INTEGER, /* int */
    OPTION_REAL = CAPTION_OPTION_REAL,       /* double */
    OPTION_FLAG = CAPTION_OPTION_FLAG,       /* int, 0 or 1: --name, --no-name, --name=yes|no */
    OPTION_ENUM = CAPTION_OPTION_CHOICE,     /* int: the place of a word in `argument`, from 0 */
    OPTION_SEED = CAPTION_OPTION_SEED,       /* uint64_t; maximum 0: any */
    OPTION_CHOICE,                           /* const char *; one of the words in `argument`, separated by '|' */
    OPTION_TEXT,                             /* const char *; NULL: no default */
    OPTION_BUFFER,                           /* char [maximum]: a copy */
    OPTION_LABEL,                            /* the same; JSON may write it as a number, too */
    OPTION_LIST,                             /* option_list: may be given several times */
} option_type;

/* The values in their order: of the environment one, or of the command line each. */
enum { OPTION_LIST_VALUES = 16 };
typedef struct option_list {
    const char *values[OPTION_LIST_VALUES];
    int n;
    int given; /* on the command line */
} option_list;

typedef struct option {
    const char *name; /* NULL ends a table */
    option_type type;
    void *value;
    double minimum, maximum; /* both allowed */
    const char *argument;    /* how --help names the value */
    const char *help;
} option;

/* A row for an option of the library, whose value is in `values`. */
option option_of(const caption_option *o, void *values);

/* Rows for all options of a list of the library (caption_option_at), and {0} behind them. */
void options_of(const caption_option *(*at)(size_t i), void *values, option *rows);

/* The row called `name`, with '_' for '-', as requests call it; -1: there is none. */
int option_find(const option *table, const char *name);

/* Sets the option's value from text. Returns 0, or 1 with what is wrong in `reason`, as "is not a whole number from 1
 * to 50". */
enum { OPTION_REASON_BYTES = CAPTION_OPTION_TEXT_BYTES + 16 };
int option_set(const option *o, const char *text, char reason[OPTION_REASON_BYTES]);

typedef struct options_usage {
    const char *command;  /* "serve" */
    const char *operands; /* "FILE..." or "" */
    const char *summary;
    const option *options;
    int min_operands, max_operands;
} options_usage;

enum { MAX_DECODE_OPTIONS = 16 }; /* rows that caption_option_at needs, with the {0} behind them */

enum { OPTIONS_WRONG = 2 }; /* exit status of a usage error */

/* Parses argv[1..] ([0] is the command's name). Returns 1 to go on: *argv is then the operands, *argc their number.
 * Returns 0 to exit with *status: --help was printed, or something is wrong and has been said. Values point into argv
 * or the environment. */
int options_parse(const options_usage *usage, int *argc, char ***argv, int *status);

/* Says what is wrong with a command's configuration, in the form options_parse uses, and returns OPTIONS_WRONG. */
int options_refuse(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- options that several commands have ------------------------------------------------------------------------- */

/* Where weight files are (server/engine/weights.h has the rule). */
typedef struct weights_place {
    const char *directory; /* NULL: searched for */
    const char *encoder;   /* NULL: the one in the directory */
    const char *trained;   /* the directory of trained models; NULL: none */
} weights_place;

/* The rows of an option table that fill a weights_place. */
// clang-format off
#define WEIGHTS_OPTIONS(place)                                                                            \
    {"weights", OPTION_TEXT, &(place)->directory, 0, 0, "DIR", "directory of weight files, else searched for"}, \
    {"encoder", OPTION_TEXT, &(place)->encoder, 0, 0, "FILE", "image encoder, else that of the weights directory"}
// clang-format on

#endif
