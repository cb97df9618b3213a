/* picture_report.h: what a job that makes pictures tells of itself, as JSON.
 *
 *     progress {"stage", "step", "steps", "score" | "loss" | "activation", "history": [[step, value], ...], "preview"}
 *     event    the same without the history
 *
 * All of it is bounded. One thread. */
#ifndef SERVER_PICTURE_REPORT_H
#define SERVER_PICTURE_REPORT_H

#include "model/visualize.h"
#include "server/jobs/curve.h"
#include "server/jobs/picture_files.h"

enum { REPORT_WORD_BYTES = 48 };

typedef struct picture_report {
    char stage[REPORT_WORD_BYTES], name[REPORT_WORD_BYTES]; /* name: what the value is */
    int step, steps;
    double value;
    curve history;
    char preview[PICTURE_URL_BYTES]; /* "": none yet */
} picture_report;

void picture_report_add(picture_report *r, const caption_visual_progress *p);

/* malloc'd; NULL when out of memory. */
char *picture_report_json(const picture_report *r, int with_history);

#endif
