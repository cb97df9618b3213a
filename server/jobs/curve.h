/* curve.h: a curve of any length in bounded memory: when it is full, neighbours are averaged in pairs, so that the
 * whole course stays visible and only the detail halves. */
#ifndef SERVER_CURVE_H
#define SERVER_CURVE_H

#include "server/http/json.h"

enum { CURVE_POINTS = 512 };

typedef struct curve {
    int n;
    double x[CURVE_POINTS], y[CURVE_POINTS];
    int stride;  /* how many values make a point now; 0 before the first */
    int pending; /* values of the point to come, */
    double sum;  /* and their sum */
} curve;

/* x grows. Points at and behind x that were there before are dropped: the run went back to a checkpoint. */
void curve_add(curve *c, double x, double y);

/* [[x, y], ...], x whole, y with four decimals; NULL when out of memory. */
cJSON *curve_json(const curve *c);

/* Fills an empty curve from that form; whatever is not in it is passed over. */
void curve_restore(curve *c, const cJSON *points);

#endif
