/* visual_report.h: what the long views share: reporting each step. */
#ifndef CAPTION_VISUAL_REPORT_H
#define CAPTION_VISUAL_REPORT_H

#include "model/visual/pixels.h"

/* Where a view is. */
typedef struct visual_report {
    const caption_visual_options *options;
    const pixel_scale *scale;
    const char *stage, *name; /* as in caption_visual_progress */
    int step, steps;
} visual_report;

/* Tells the caller of the view where it is; picture: as it is now. CAPTION_ECANCELLED if he wants it to stop. */
int visual_progress(const visual_report *at, double value, const pixels *picture, caption_error *err);

/* The picture of these numbers. */
int visual_picture(const pixel_scale *scale, const pixels *from, caption_picture *out, caption_error *err);

#endif
