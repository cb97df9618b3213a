/* input_page.c: what a request for a list, or for nothing but its path, may say. */
#include <stdlib.h>
#include <string.h>

#include "server/http/input.h"

enum { DEFAULT_LIMIT = 100, MAX_LIMIT = 500 };

typedef struct reader {
    input_page *page;
    problem *problem;
} reader;

static int read_limit(input_page *page, const char *value, problem *p)
{
    size_t digits = strspn(value, "0123456789");
    long limit = digits > 0 && digits <= 4 && !value[digits] ? strtol(value, NULL, 10) : 0;
    if (limit < 1 || limit > MAX_LIMIT)
        return problem_set(p, PROBLEM_BAD_OPTION, "limit: \"%.40s\" is not a whole number from 1 to %d", value,
                           MAX_LIMIT);
    page->limit = (int)limit;
    return 0;
}

static int read_after(input_page *page, const char *value, problem *p)
{
    if (strlen(value) >= sizeof page->after)
        return problem_set(p, PROBLEM_BAD_OPTION, "after: the value is too long");
    strcpy(page->after, value);
    return 0;
}

static int read_parameter(void *context, const char *name, const char *value)
{
    reader *r = context;
    if (strcmp(name, "limit") == 0)
        return read_limit(r->page, value, r->problem);
    if (strcmp(name, "after") == 0)
        return read_after(r->page, value, r->problem);
    return problem_set(r->problem, PROBLEM_UNKNOWN_OPTION, "there is no option \"%.64s\"", name);
}

int input_refuse_body(const http_request *request, problem *p)
{
    return request->size > 0 ? problem_set(p, PROBLEM_BAD_OPTION, "this request takes no body") : 0;
}

int input_read_page(const http_request *request, input_page *page, problem *p)
{
    reader r = {page, p};
    *page = (input_page){.limit = DEFAULT_LIMIT};
    return input_refuse_body(request, p) || input_read_query(request, read_parameter, &r, p);
}

int input_read_nothing(const http_request *request, problem *p)
{
    return input_refuse_body(request, p) || input_refuse_query(request, p);
}
