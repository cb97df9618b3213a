/* image_colour.c: see image_colour.h.
 *
 * Profiles are applied to the small version of an image, not to all its pixels: averaging and converting commute but
 * for what the eye does not see, and a transform of 50 thousand pixels takes a millisecond. A profile that is damaged
 * or belongs to other channels is ignored, as browsers do. */
#include "model/image/image_colour.h"

#include <lcms2.h>
#include <lcms2_plugin.h>
#include <string.h>

enum { MAX_ICC_BYTES = 16 << 20 };

static cmsColorSpaceSignature space_of(image_channels channels)
{
    return channels == IMAGE_CMYK                                   ? cmsSigCmykData
           : channels == IMAGE_GREY || channels == IMAGE_GREY_ALPHA ? cmsSigGrayData
                                                                    : cmsSigRgbData;
}

static int fits(cmsHPROFILE profile, image_channels channels)
{
    return profile && cmsGetColorSpace(profile) == space_of(channels);
}

/* ---- Little CMS's context: of one thread, so that its profiles need no locks, which it would make without a look at
 * what malloc gives ---- */

static void *no_mutex(cmsContext context)
{
    static int token;
    (void)context;
    return &token;
}

static void no_end(cmsContext context, void *mutex)
{
    (void)context;
    (void)mutex;
}

static cmsBool no_wait(cmsContext context, void *mutex)
{
    (void)context;
    (void)mutex;
    return 1;
}

static cmsContext new_context(void)
{
    cmsPluginMutex without_locks = {
        .base = {.Magic = cmsPluginMagicNumber, .ExpectedVersion = LCMS_VERSION, .Type = cmsPluginMutexSig},
        .CreateMutexPtr = no_mutex,
        .DestroyMutexPtr = no_end,
        .LockMutexPtr = no_wait,
        .UnlockMutexPtr = no_end};
    return cmsCreateContext(&without_locks, NULL);
}

void image_colour_prepare(void)
{
    cmsContext context = new_context();
    cmsHPROFILE profile = context ? cmsCreate_sRGBProfileTHR(context) : NULL;
    if (profile)
        cmsCloseProfile(profile);
    if (context)
        cmsDeleteContext(context);
}

/* ---- profiles -----------------------------------------------------------------------------------------------------
 */

int image_colour_fits(const unsigned char *icc, size_t size, image_channels channels)
{
    if (!icc || size > MAX_ICC_BYTES)
        return 0;
    cmsContext context = new_context();
    cmsHPROFILE profile = context ? cmsOpenProfileFromMemTHR(context, icc, (cmsUInt32Number)size) : NULL;
    const int good = fits(profile, channels);
    if (profile)
        cmsCloseProfile(profile);
    if (context)
        cmsDeleteContext(context);
    return good;
}

/* ---- without a profile ------------------------------------------------------------------------------------------- */

static unsigned char from_16(uint16_t value)
{
    return (unsigned char)((value * 255u + 32767) / 65535);
}

static unsigned char value_at(const void *pixels, size_t at, int bits)
{
    return bits == 16 ? from_16(((const uint16_t *)pixels)[at]) : ((const unsigned char *)pixels)[at];
}

static void widen(unsigned char *rgb, const void *pixels, size_t count, int resampled, int bits)
{
    if (resampled == 3 && bits == 8) {
        memcpy(rgb, pixels, count * 3);
        return;
    }
    const size_t step = (size_t)resampled;
    for (size_t i = 0; i < count; i++)
        for (size_t c = 0; c < 3; c++)
            *rgb++ = value_at(pixels, i * step + (resampled == 3 ? c : 0), bits);
}

void image_colour_naive_cmyk(void *rgb, const void *cmyk, size_t count, int bits)
{
    if (bits == 8) {
        unsigned char *out = rgb;
        const unsigned char *in = cmyk;
        for (size_t i = 0; i < count; i++, in += 4)
            for (int c = 0; c < 3; c++)
                *out++ = (unsigned char)((in[c] * in[3] + 127) / 255);
    } else {
        uint16_t *out = rgb;
        const uint16_t *in = cmyk;
        for (size_t i = 0; i < count; i++, in += 4)
            for (int c = 0; c < 3; c++)
                *out++ = (uint16_t)(((uint64_t)in[c] * in[3] + 32767) / 65535);
    }
}

/* ---- with one ---------------------------------------------------------------------------------------------------- */

static cmsUInt32Number input_type(int resampled, int bits)
{
    if (resampled == 4)
        return bits == 16 ? TYPE_CMYK_16_REV : TYPE_CMYK_8_REV;
    if (resampled == 1)
        return bits == 16 ? TYPE_GRAY_16 : TYPE_GRAY_8;
    return bits == 16 ? TYPE_RGB_16 : TYPE_RGB_8;
}

/* 0: no transform could be made. */
static int transform(cmsContext context, unsigned char *rgb, const void *pixels, size_t count, int resampled,
                     const image_layout *layout)
{
    cmsHPROFILE from = cmsOpenProfileFromMemTHR(context, layout->icc, (cmsUInt32Number)layout->icc_size);
    cmsHPROFILE to = cmsCreate_sRGBProfileTHR(context);
    cmsHTRANSFORM t = NULL;
    if (to && fits(from, layout->channels))
        t = cmsCreateTransformTHR(context, from, input_type(resampled, layout->bits), to, TYPE_RGB_8, INTENT_PERCEPTUAL,
                                  0);
    const size_t row = 4096, bytes = (size_t)resampled * (size_t)layout->bits / 8;
    for (size_t at = 0; t && at < count; at += row)
        cmsDoTransform(t, (const unsigned char *)pixels + at * bytes, rgb + at * 3,
                       (cmsUInt32Number)(count - at < row ? count - at : row));
    const int done = t != NULL;
    if (t)
        cmsDeleteTransform(t);
    if (to)
        cmsCloseProfile(to);
    if (from)
        cmsCloseProfile(from);
    return done;
}

int image_colour_convert(unsigned char *rgb, const void *pixels, size_t count, int resampled,
                         const image_layout *layout, caption_error *err)
{
    if (layout->icc) {
        cmsContext context = new_context();
        if (!context)
            return caption_fail(err, CAPTION_ENOMEM, "out of memory for a colour profile");
        const int done = transform(context, rgb, pixels, count, resampled, layout);
        cmsDeleteContext(context);
        if (done)
            return CAPTION_OK;
    }
    if (resampled != 4)
        widen(rgb, pixels, count, resampled, layout->bits);
    else if (layout->bits == 8)
        image_colour_naive_cmyk(rgb, pixels, count, 8);
    else
        for (size_t i = 0; i < count; i++) {
            uint16_t one[3];
            image_colour_naive_cmyk(one, (const uint16_t *)pixels + i * 4, 1, 16);
            widen(rgb + i * 3, one, 1, 3, 16);
        }
    return CAPTION_OK;
}
