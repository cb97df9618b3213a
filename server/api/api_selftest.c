/* api_selftest.c: GET /v1/selftest/gradients?layer=NAME&seed=N. A gradient that is off is no error of the request: the
 * answer is 200 with "passed":false. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/gradcheck.h"
#include "server/api/api.h"
#include "server/api/selftest.h"
#include "server/http/input.h"

typedef struct reader {
    selftest_question *question;
    problem *problem;
} reader;

static int read_seed(selftest_question *question, const char *value, problem *p)
{
    char *end;
    errno = 0;
    question->seed = strtoull(value, &end, 10);
    if (!isdigit((unsigned char)*value) || *end || errno)
        return problem_set(p, PROBLEM_BAD_OPTION, "seed: \"%.40s\" is not a whole number below 2^64", value);
    return 0;
}

static int read_layer(selftest_question *question, const char *value, problem *p)
{
    caption_error err;
    if (caption_gradcheck_known(value, &err))
        return problem_set(p, PROBLEM_BAD_OPTION, "layer: %s", err.message);
    snprintf(question->layer, sizeof question->layer, "%s", value);
    return 0;
}

static int read_parameter(void *context, const char *name, const char *value)
{
    reader *r = context;
    if (strcmp(name, "seed") == 0)
        return read_seed(r->question, value, r->problem);
    if (strcmp(name, "layer") == 0)
        return read_layer(r->question, value, r->problem);
    return problem_set(r->problem, PROBLEM_UNKNOWN_OPTION, "there is no option \"%.64s\"", name);
}

void api_selftest(http_request *request)
{
    problem p = {.kind = PROBLEM_NONE};
    selftest_question question = {.seed = 0};
    reader r = {&question, &p};
    if (http_not_ready(request, &p) || input_refuse_body(request, &p) ||
        input_read_query(request, read_parameter, &r, &p))
        http_answer_problem(request, &p);
    else
        selftest_ask(request, &question);
}
