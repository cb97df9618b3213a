/* curve.c: see curve.h. */
#include "server/jobs/curve.h"

#include <stdio.h>

static void halve(curve *c)
{
    c->n /= 2;
    for (int i = 0; i < c->n; i++) {
        c->x[i] = c->x[2 * i + 1];
        c->y[i] = (c->y[2 * i] + c->y[2 * i + 1]) / 2;
    }
    c->stride *= 2;
}

void curve_add(curve *c, double x, double y)
{
    if (c->stride == 0)
        c->stride = 1;
    while (c->n > 0 && c->x[c->n - 1] >= x)
        c->n--;
    if (c->n == CURVE_POINTS && c->pending == 0)
        halve(c);
    c->sum += y;
    if (++c->pending < c->stride)
        return;
    c->x[c->n] = x;
    c->y[c->n++] = c->sum / c->pending;
    c->sum = c->pending = 0;
}

cJSON *curve_json(const curve *c)
{
    cJSON *points = cJSON_CreateArray();
    int good = points != NULL;
    for (int i = 0; good && i < c->n; i++) {
        char point[64];
        snprintf(point, sizeof point, "[%.0f,%.4f]", c->x[i], c->y[i]);
        good = cJSON_AddItemToArray(points, cJSON_CreateRaw(point));
    }
    if (good)
        return points;
    cJSON_Delete(points);
    return NULL;
}

void curve_restore(curve *c, const cJSON *points)
{
    const cJSON *point;
    cJSON_ArrayForEach(point, points)
    {
        const cJSON *x = cJSON_GetArrayItem(point, 0), *y = cJSON_GetArrayItem(point, 1);
        if (cJSON_IsNumber(x) && cJSON_IsNumber(y))
            curve_add(c, x->valuedouble, y->valuedouble);
    }
}
