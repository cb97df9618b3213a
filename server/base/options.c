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

/* ---- values: each reader returns 1 if the text is right ---------------------------------------------------------- */

static int read_integer(const option *o, const char *text)
{
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (end == text || *end || isspace((unsigned char)*text) || errno || value < o->minimum || value > o->maximum)
        return 0;
    *(int *)o->value = (int)value;
    return 1;
}

static int read_seed(const option *o, const char *text)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (!isdigit((unsigned char)*text) || *end || errno || (o->maximum > 0 && (double)value > o->maximum))
        return 0;
    *(uint64_t *)o->value = value;
    return 1;
}

/* Neither hexadecimal, nor "inf" or "nan". */
static int read_real(const option *o, const char *text)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end || text[strspn(text, "+-.0123456789eE")] || value < o->minimum || value > o->maximum)
        return 0;
    *(double *)o->value = value;
    return 1;
}

static int read_flag(const option *o, const char *text)
{
    static const char *const words[][2] = {{"no", "yes"}, {"false", "true"}, {"0", "1"}, {"off", "on"}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        for (int on = 0; on < 2; on++)
            if (strcmp(text, words[i][on]) == 0) {
                *(int *)o->value = on;
                return 1;
            }
    return 0;
}

/* Where "true" and "false" are among the words, all that a flag may be is. */
static int read_choice(const option *o, const char *text)
{
    int flag;
    const option as_flag = {.value = &flag};
    int place = caption_option_choice(o->argument, text);
    if (place < 0 && read_flag(&as_flag, text))
        place = caption_option_choice(o->argument, flag ? "true" : "false");
    if (place < 0)
        return 0;
    if (o->type == OPTION_ENUM)
        *(int *)o->value = place;
    else
        *(const char **)o->value = text;
    return 1;
}

/* Text that is not empty. */
static int read_text(const option *o, const char *text)
{
    option_list *list = o->value;
    if (o->type == OPTION_TEXT)
        *(const char **)o->value = text;
    else if (o->type != OPTION_LIST)
        strcpy(o->value, text);
    else
        list->values[list->n++] = text;
    return 1;
}

static int read_value(const option *o, const char *text)
{
    switch (o->type) {
    case OPTION_CHOICE:
    case OPTION_ENUM:
        return read_choice(o, text);
    case OPTION_INTEGER:
        return read_integer(o, text);
    case OPTION_SEED:
        return read_seed(o, text);
    case OPTION_REAL:
        return read_real(o, text);
    case OPTION_FLAG:
        return read_flag(o, text);
    default:
        return read_text(o, text);
    }
}

static int is_text(const option *o)
{
    return o->type == OPTION_TEXT || o->type == OPTION_BUFFER || o->type == OPTION_LABEL || o->type == OPTION_LIST;
}

/* What no text may be: empty, or more than there is room for. NULL: neither. */
static const char *text_fault(const option *o, const char *text, char reason[OPTION_REASON_BYTES])
{
    if (!*text)
        return "must not be empty";
    if (o->type == OPTION_LIST && ((const option_list *)o->value)->n == OPTION_LIST_VALUES)
        return "is one too many";
    if (o->type == OPTION_LIST || o->type == OPTION_TEXT || strlen(text) < o->maximum)
        return NULL;
    snprintf(reason, OPTION_REASON_BYTES, "is longer than %.0f bytes", o->maximum - 1);
    return reason;
}

int option_set(const option *o, const char *text, char reason[OPTION_REASON_BYTES])
{
    char range[CAPTION_OPTION_TEXT_BYTES];
    const char *fault = is_text(o) ? text_fault(o, text, reason) : NULL;
    if (fault) {
        if (fault != reason)
            snprintf(reason, OPTION_REASON_BYTES, "%s", fault);
        return 1;
    }
    if (read_value(o, text))
        return 0;
    const caption_option expected = {.type = o->type == OPTION_CHOICE ? CAPTION_OPTION_CHOICE
                                                                      : (caption_option_type)o->type,
                                     .minimum = o->minimum,
                                     .maximum = o->maximum,
                                     .choices = o->argument};
    snprintf(reason, OPTION_REASON_BYTES, "is not %s", caption_option_range(&expected, range));
    return 1;
}

option option_of(const caption_option *o, void *values)
{
    static const char *const arguments[] = {[CAPTION_OPTION_INTEGER] = "N",
                                            [CAPTION_OPTION_REAL] = "X",
                                            [CAPTION_OPTION_SEED] = "N",
                                            [CAPTION_OPTION_FLAG] = NULL};
    return (option){.name = o->name,
                    .type = (option_type)o->type,
                    .value = (char *)values + o->offset,
                    .minimum = o->minimum,
                    .maximum = o->maximum,
                    .argument = o->choices ? o->choices : arguments[o->type],
                    .help = o->help};
}

void options_of(const caption_option *(*at)(size_t i), void *values, option *rows)
{
    const caption_option *o;
    for (size_t i = 0; (o = at(i)) != NULL; i++)
        *rows++ = option_of(o, values);
    *rows = (option){0};
}

int option_find(const option *table, const char *name)
{
    for (int i = 0; table[i].name; i++) {
        const char *own = table[i].name, *given = name;
        while (*own && *given == (*own == '-' ? '_' : *own)) {
            own++;
            given++;
        }
        if (!*own && !*given)
            return i;
    }
    return -1;
}

static int set_value(const options_usage *usage, const option *o, const char *called, const char *text)
{
    char reason[OPTION_REASON_BYTES];
    return option_set(o, text, reason) ? options_refuse(usage->command, "%s: \"%s\" %s", called, text, reason) : 0;
}

/* ---- --help ---------------------------------------------------------------------------------------------------- */

/* Options whose name means a value of another kind in another command: there is one environment for all of them. */
static const struct {
    const char *name, *argument, *twin;
} twins[] = {
    {"attention", "FILE", "attention-file"}, {"resume", "FILE", "resume-file"}, {"layer", "NAME", "layer-name"}};

static const char *twin_name(const option *o)
{
    for (size_t i = 0; i < sizeof twins / sizeof *twins; i++)
        if (strcmp(twins[i].name, o->name) == 0 && o->argument && strcmp(twins[i].argument, o->argument) == 0)
            return twins[i].twin;
    return o->name;
}

static void environment_name(const option *o, const char *called, char out[ENVIRONMENT_NAME_BYTES])
{
    const char *name = called == o->name ? twin_name(o) : called;
    int length = snprintf(out, ENVIRONMENT_NAME_BYTES, "CAPTIOND_%s", name);
    for (int i = 0; i < length && i < ENVIRONMENT_NAME_BYTES; i++)
        out[i] = out[i] == '-' ? '_' : (char)toupper((unsigned char)out[i]);
}

/* The word at a place of "greedy|beam|sample", and what follows it. */
static const char *word_at(const char *words, int place)
{
    while (place-- > 0)
        words = strchr(words, '|') + 1;
    return words;
}

static void print_default(const option *o)
{
    const char *word;
    switch (o->type) {
    case OPTION_TEXT:
    case OPTION_CHOICE:
        if (*(const char **)o->value)
            printf("default %s, ", *(const char **)o->value);
        break;
    case OPTION_BUFFER:
    case OPTION_LABEL:
        if (*(const char *)o->value)
            printf("default %s, ", (const char *)o->value);
        break;
    case OPTION_ENUM:
        word = word_at(o->argument, *(int *)o->value);
        printf("default %.*s, ", (int)strcspn(word, "|"), word);
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
    environment_name(o, o->name, environment);
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

/* Options that had another name in the release before: that still works, with a warning. */
static const struct {
    const char *old, *new;
} renamed[] = {{"job-memory", "max-ended-jobs"}};

static const char *old_name(const char *new)
{
    for (size_t i = 0; i < sizeof renamed / sizeof *renamed; i++)
        if (strcmp(renamed[i].new, new) == 0)
            return renamed[i].old;
    return NULL;
}

static void warn_renamed(const options_usage *usage, const char *old, const char *new)
{
    fprintf(stderr, "captiond %s: warning: --%s is now called --%s; the old name will go\n", usage->command, old, new);
}

static int read_variable(const options_usage *usage, const option *o, const char *called)
{
    char name[ENVIRONMENT_NAME_BYTES];
    environment_name(o, called, name);
    const char *text = getenv(name);
    if (!text || !*text)
        return 0;
    if (called != o->name)
        warn_renamed(usage, called, o->name);
    return set_value(usage, o, name, text);
}

static int read_environment(const options_usage *usage)
{
    int status = 0;
    for (const option *o = usage->options; o->name && !status; o++) {
        const char *old = old_name(o->name);
        status = old ? read_variable(usage, o, old) : 0;
        status = status ? status : read_variable(usage, o, o->name);
    }
    return status;
}

static const option *find_option(const options_usage *usage, const char *name, size_t length)
{
    for (const option *o = usage->options; o->name; o++) {
        const char *old = old_name(o->name);
        if (strlen(o->name) == length && strncmp(o->name, name, length) == 0)
            return o;
        if (old && strlen(old) == length && strncmp(old, name, length) == 0) {
            warn_renamed(usage, old, o->name);
            return o;
        }
    }
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
