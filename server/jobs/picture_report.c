/* picture_report.c: see picture_report.h. */
#include "server/jobs/picture_report.h"

#include <math.h>
#include <stdio.h>

enum { DIGITS = 4 };

/* What an untouched picture scores is no point of the curve. */
void picture_report_add(picture_report *r, const caption_visual_progress *p)
{
    snprintf(r->stage, sizeof r->stage, "%s", p->stage);
    snprintf(r->name, sizeof r->name, "%s", p->name);
    r->step = p->step;
    r->steps = p->steps;
    r->value = p->value;
    if (isfinite(p->value))
        curve_add(&r->history, p->step, p->value);
}

static int add_history(cJSON *object, const picture_report *r)
{
    cJSON *history = curve_json(&r->history);
    if (history && cJSON_AddItemToObject(object, "history", history))
        return 1;
    cJSON_Delete(history);
    return 0;
}

char *picture_report_json(const picture_report *r, int with_history)
{
    cJSON *object = cJSON_CreateObject();
    return json_finish(object, cJSON_AddStringToObject(object, "stage", r->stage) &&
                                   cJSON_AddNumberToObject(object, "step", r->step) &&
                                   cJSON_AddNumberToObject(object, "steps", r->steps) &&
                                   json_add_rounded(object, r->name, r->value, DIGITS) &&
                                   (!with_history || add_history(object, r)) &&
                                   (!*r->preview || cJSON_AddStringToObject(object, "preview", r->preview)));
}
