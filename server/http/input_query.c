/* input_query.c: the query of a request: each name once, and none that the route does not know. */
#include <string.h>

#include "server/http/input.h"

typedef struct query {
    const http_request *request;
    int (*each)(void *context, const char *name, const char *value);
    void *context;
    problem *problem;
} query;

/* Puts the first parameter's name in place of an equal one, and stops there. */
static int find_first(void *context, const char *name, const char *value)
{
    const char **wanted = context;
    (void)value;
    if (strcmp(name, *wanted) != 0)
        return 0;
    *wanted = name;
    return 1;
}

/* As unknown names end the reading, there are no more before this one than the route knows. */
static int is_repeated(const query *q, const char *name)
{
    const char *first = name;
    http_each_parameter(q->request, find_first, &first);
    return first != name;
}

static int read_parameter(void *context, const char *name, const char *value)
{
    const query *q = context;
    if (is_repeated(q, name))
        return problem_set(q->problem, PROBLEM_BAD_OPTION, "%.64s: given twice", name);
    return q->each(q->context, name, value ? value : "");
}

int input_read_query(const http_request *request, int (*each)(void *context, const char *name, const char *value),
                     void *context, problem *p)
{
    query q = {request, each, context, p};
    return http_each_parameter(request, read_parameter, &q);
}

static int refuse_parameter(void *context, const char *name, const char *value)
{
    (void)value;
    return problem_set(context, PROBLEM_UNKNOWN_OPTION, "there is no option \"%.64s\"", name);
}

int input_refuse_query(const http_request *request, problem *p)
{
    return http_each_parameter(request, refuse_parameter, p);
}
