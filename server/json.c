/* json.c: see json.h. */
#include "server/json.h"

#include <math.h>
#include <stdio.h>

int json_add_rounded(cJSON *object, const char *name, double value, int decimals)
{
    char text[48];
    if (!isfinite(value))
        return cJSON_AddNullToObject(object, name) != NULL;
    snprintf(text, sizeof text, "%.*f", decimals, value);
    return cJSON_AddRawToObject(object, name, text) != NULL;
}

char *json_finish(cJSON *object, int complete)
{
    char *text = complete ? cJSON_PrintUnformatted(object) : NULL;
    cJSON_Delete(object);
    return text;
}
