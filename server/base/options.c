/* options.c: one parser for all commands; see options.h for the rules.
 *
 * A value is parsed by the same function whether it comes from the environment or the command line; only the name by
 * which an error calls it differs. */
#include "server/base/options.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ENVIRONMENT_NAME_BYTES = 64, HELP_COLUMN = 28 };

int options_refuse(const char *command, const char *format, ...)
{
    char message[512];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    fprintf(stderr, "captiond %s: %s\n", command, message);
    return OPTIONS_WRONG;
}

/* ---- values: each parser returns NULL, or what is wrong -------------------------------------------------------- */

static const char *parse_integer(const option *o, const char *text)
{
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (end == text || *end || isspace((unsigned char)*text))
        return "is not a whole number";
    if (errno || value < o->minimum || value > o->maximum)
        return "is out of range";
    *(int *)o->value = (int)value;
    return NULL;
}

static const char *parse_seed(const option *o, const char *text)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (!isdigit((unsigned char)*text) || *end || errno)
        return "is not a whole number below 2^64";
    *(uint64_t *)o->value = value;
    return NULL;
}

static const char *parse_real(const option *o, const char *text)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end || isspace((unsigned char)*text) || !isfinite(value))
        return "is not a number";
    if (value < o->minimum || value > o->maximum)
        return "is out of range";
    *(double *)o->value = value;
    return NULL;
}

static const char *parse_flag(const option *o, const char *text)
{
    static const char *const words[][2] = {{"no", "yes"}, {"false", "true"}, {"0", "1"}, {"off", "on"}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        for (int on = 0; on < 2; on++)
            if (strcmp(text, words[i][on]) == 0) {
                *(int *)o->value = on;
                return NULL;
            }
    return "is neither yes nor no";
}

static const char *parse_choice(const option *o, const char *text)
{
    size_t length = strlen(text);
    for (const char *word = o->argument; word; word = strchr(word, '|') ? strchr(word, '|') + 1 : NULL)
        if (strcspn(word, "|") == length && strncmp(word, text, length) == 0) {
            *(const char **)o->value = text;
            return NULL;
        }
    return "is none of the choices";
}

static const char *parse_text(const option *o, const char *text)
{
    if (!*text)
        return "must not be empty";
    *(const char **)o->value = text;
    return NULL;
}

static const char *parse_element(const option *o, const char *text)
{
    option_list *list = o->value;
    if (!*text)
        return "must not be empty";
    if (list->n == OPTION_LIST_VALUES)
        return "is one too many";
    list->values[list->n++] = text;
    return NULL;
}

static const char *parse_value(const option *o, const char *text)
{
    switch (o->type) {
    case OPTION_TEXT:
        return parse_text(o, text);
    case OPTION_CHOICE:
        return parse_choice(o, text);
    case OPTION_INTEGER:
        return parse_integer(o, text);
    case OPTION_SEED:
        return parse_seed(o, text);
    case OPTION_REAL:
        return parse_real(o, text);
    case OPTION_FLAG:
        return parse_flag(o, text);
    case OPTION_LIST:
        return parse_element(o, text);
    }
    return "has no parser";
}

/* What would have been right, as " (0..65535)", or nothing where the complaint says it all. */
static void describe_range(const option *o, char *out, size_t size)
{
    *out = '\0';
    if (o->type == OPTION_INTEGER || o->type == OPTION_REAL)
        snprintf(out, size, " (%.12g..%.12g)", o->minimum, o->maximum);
    else if (o->type == OPTION_CHOICE)
        snprintf(out, size, " (%s)", o->argument);
}

static int set_value(const options_usage *usage, const option *o, const char *called, const char *text)
{
    const char *wrong = parse_value(o, text);
    if (!wrong)
        return 0;
    char range[128];
    describe_range(o, range, sizeof range);
    return options_refuse(usage->command, "%s: \"%s\" %s%s", called, text, wrong, range);
}

/* ---- --help ---------------------------------------------------------------------------------------------------- */

static void environment_name(const option *o, char out[ENVIRONMENT_NAME_BYTES])
{
    int length = snprintf(out, ENVIRONMENT_NAME_BYTES, "CAPTIOND_%s", o->name);
    for (int i = 0; i < length && i < ENVIRONMENT_NAME_BYTES; i++)
        out[i] = out[i] == '-' ? '_' : (char)toupper((unsigned char)out[i]);
}

static void print_default(const option *o)
{
    switch (o->type) {
    case OPTION_TEXT:
    case OPTION_CHOICE:
        if (*(const char **)o->value)
            printf("default %s, ", *(const char **)o->value);
        break;
    case OPTION_INTEGER:
        printf("default %d, ", *(int *)o->value);
        break;
    case OPTION_SEED:
        printf("default %llu, ", (unsigned long long)*(uint64_t *)o->value);
        break;
    case OPTION_REAL:
        printf("default %g, ", *(double *)o->value);
        break;
    case OPTION_FLAG:
        printf("default %s, ", *(int *)o->value ? "yes" : "no");
        break;
    case OPTION_LIST:
        printf("may be repeated, ");
        break;
    }
}

static void print_option(const option *o)
{
    char left[64], environment[ENVIRONMENT_NAME_BYTES];
    snprintf(left, sizeof left, "  --%s %s", o->name, o->type == OPTION_FLAG ? "" : o->argument);
    environment_name(o, environment);
    printf("%-*s %s (", HELP_COLUMN, left, o->help);
    print_default(o);
    printf("%s)\n", environment);
}

static void print_help(const options_usage *usage)
{
    printf("usage: captiond %s [options] %s\n\n%s\n\noptions:\n", usage->command, usage->operands, usage->summary);
    for (const option *o = usage->options; o->name; o++)
        print_option(o);
    printf("%-*s this text\n", HELP_COLUMN, "  --help, -h");
}

/* ---- the command line ------------------------------------------------------------------------------------------ */

static int read_environment(const options_usage *usage)
{
    for (const option *o = usage->options; o->name; o++) {
        char name[ENVIRONMENT_NAME_BYTES];
        environment_name(o, name);
        const char *text = getenv(name);
        int status = text && *text ? set_value(usage, o, name, text) : 0;
        if (status)
            return status;
    }
    return 0;
}

static const option *find_option(const options_usage *usage, const char *name, size_t length)
{
    for (const option *o = usage->options; o->name; o++)
        if (strlen(o->name) == length && strncmp(o->name, name, length) == 0)
            return o;
    return NULL;
}

/* The first one of a list on the command line puts an end to what the environment said. */
static void begin_list(option_list *list)
{
    if (!list->given)
        list->n = 0;
    list->given = 1;
}

/* One argument that begins with "--"; *next is the one after it, and becomes NULL if it was used as the value. */
static int read_option(const options_usage *usage, const char *argument, const char **next)
{
    const char *name = argument + 2;
    size_t length = strcspn(name, "=");
    const char *value = name[length] ? name + length + 1 : NULL;
    const option *o = find_option(usage, name, length);
    if (!o && strncmp(name, "no-", 3) == 0 && !value) {
        o = find_option(usage, name + 3, length - 3);
        if (o && o->type == OPTION_FLAG)
            return set_value(usage, o, argument, "no");
        o = NULL;
    }
    if (!o)
        return options_refuse(usage->command, "unknown option %.*s (see captiond %s --help)", (int)length + 2, argument,
                              usage->command);
    if (!value && o->type == OPTION_FLAG)
        value = "yes";
    if (!value) {
        value = *next;
        *next = NULL;
    }
    if (!value)
        return options_refuse(usage->command, "%s needs a value: %s", argument, o->argument);
    if (o->type == OPTION_LIST)
        begin_list(o->value);
    char called[80];
    snprintf(called, sizeof called, "--%s", o->name);
    return set_value(usage, o, called, value);
}

/* Takes the options out of args[0..n) and packs the operands to the front. */
static int read_arguments(const options_usage *usage, char **args, int n, int *operands)
{
    int only_operands = 0;
    *operands = 0;
    for (int i = 0; i < n; i++) {
        if (only_operands || args[i][0] != '-' || strcmp(args[i], "-") == 0) {
            args[(*operands)++] = args[i];
        } else if (strcmp(args[i], "--") == 0) {
            only_operands = 1;
        } else if (args[i][1] != '-') {
            return options_refuse(usage->command, "unknown option %s (see captiond %s --help)", args[i],
                                  usage->command);
        } else {
            const char *next = i + 1 < n ? args[i + 1] : NULL;
            const char *offered = next;
            int status = read_option(usage, args[i], &next);
            if (status)
                return status;
            i += offered && !next;
        }
    }
    return 0;
}

static int is_given(char **args, int n, const char *long_name, const char *short_name)
{
    for (int i = 0; i < n && strcmp(args[i], "--") != 0; i++)
        if (strcmp(args[i], long_name) == 0 || strcmp(args[i], short_name) == 0)
            return 1;
    return 0;
}

int options_parse(const options_usage *usage, int *argc, char ***argv, int *status)
{
    char **args = *argv + 1;
    int n = *argc - 1, operands;
    *status = 0;
    if (is_given(args, n, "--help", "-h")) {
        print_help(usage);
        return 0;
    }
    if (is_given(args, n, "--version", "-V")) {
        puts("captiond " CAPTIOND_VERSION);
        return 0;
    }
    *status = read_environment(usage);
    if (!*status)
        *status = read_arguments(usage, args, n, &operands);
    if (*status)
        return 0;
    if (operands < usage->min_operands || operands > usage->max_operands) {
        *status = options_refuse(usage->command, "usage: captiond %s [options] %s", usage->command, usage->operands);
        return 0;
    }
    *argc = operands;
    *argv = args;
    return 1;
}
