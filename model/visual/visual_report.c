/* visual_report.c: tells the caller of each step, with a preview now and then (visual_report.h). */
#include "model/visual/visual_report.h"

#include "model/image/picture.h"

int visual_picture(const pixel_scale *scale, const pixels *from, caption_picture *out, caption_error *err)
{
    int status = picture_new(out, from->width, from->height, err);
    if (status == CAPTION_OK)
        pixels_to_levels(scale, from, out->rgb);
    return status;
}

int visual_progress(const visual_report *at, double value, const pixels *picture, caption_error *err)
{
    const caption_visual_options *o = at->options;
    if (!o->progress)
        return CAPTION_OK;
    caption_picture preview = {0};
    if (o->preview_every > 0 && at->step % o->preview_every == 0) {
        int status = visual_picture(at->scale, picture, &preview, err);
        if (status != CAPTION_OK)
            return status;
    }
    const caption_visual_progress now = {
        .stage = at->stage,
        .step = at->step,
        .steps = at->steps,
        .name = at->name,
        .value = value,
        .preview = preview.rgb ? &preview : NULL,
    };
    const int stop = o->progress(o->context, &now);
    caption_picture_free(&preview);
    return stop ? caption_fail(err, CAPTION_ECANCELLED, "stopped by its caller") : CAPTION_OK;
}
