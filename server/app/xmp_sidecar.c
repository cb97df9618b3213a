/* xmp_sidecar.c: see xmp_sidecar.h. Exempi reads and writes the XMP. */
#include "server/app/xmp_sidecar.h"

#include <errno.h>
#include <exempi/xmp.h>
#include <exempi/xmpconsts.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/base/durable.h"
#include "server/base/file.h"

static const size_t most_bytes = 64 << 20; /* of a sidecar; darktable's history takes a few kilobytes */
static const char writer[] = "captiond", default_language[] = "x-default";

int xmp_sidecar_begin(caption_error *err)
{
    return xmp_init() ? CAPTION_OK : caption_fail(err, CAPTION_ENOMEM, "the XMP library does not start");
}

void xmp_sidecar_end(void)
{
    xmp_terminate();
}

/* What is there, or an empty packet. */
static int read_packet(const char *path, XmpPtr *out, caption_error *err)
{
    unsigned char *bytes;
    size_t size;
    caption_error why;
    if (access(path, F_OK) != 0) {
        *out = xmp_new_empty();
    } else {
        if (file_read(path, most_bytes, &bytes, &size, &why) != CAPTION_OK)
            return caption_fail(err, CAPTION_EIO, "%s: %s", path, why.message);
        *out = xmp_new((const char *)bytes, size);
        free(bytes);
    }
    return *out ? CAPTION_OK : caption_fail(err, CAPTION_EFORMAT, "%s: is no XMP; it was left as it is", path);
}

static int is_somebodys(XmpPtr xmp)
{
    XmpStringPtr text = xmp_string_new();
    int described = xmp_get_localized_text(xmp, NS_DC, "description", "", default_language, NULL, text, NULL) &&
                    *xmp_string_cstr(text);
    int ours =
        xmp_get_property(xmp, NS_PHOTOSHOP, "CaptionWriter", text, NULL) && strcmp(xmp_string_cstr(text), writer) == 0;
    xmp_string_free(text);
    return described && !ours;
}

static int describe(XmpPtr xmp, const char *language, const char *text)
{
    xmp_delete_property(xmp, NS_DC, "description");
    return xmp_set_localized_text(xmp, NS_DC, "description", "", default_language, text, 0) &&
           xmp_set_localized_text(xmp, NS_DC, "description", language, language, text, 0) &&
           xmp_set_property(xmp, NS_PHOTOSHOP, "CaptionWriter", writer, 0);
}

static int replace(const char *path, const char *bytes, size_t size, caption_error *err)
{
    return durable_replace(path, 0666, bytes, size, 0) ? caption_fail(err, CAPTION_EIO, "%s: %s", path, strerror(errno))
                                                       : CAPTION_OK;
}

static int write_packet(XmpPtr xmp, const char *path, caption_error *err)
{
    XmpStringPtr text = xmp_string_new();
    int status;
    if (xmp_serialize(xmp, text, XMP_SERIAL_OMITPACKETWRAPPER, 0))
        status = replace(path, xmp_string_cstr(text), strlen(xmp_string_cstr(text)), err);
    else
        status = caption_fail(err, CAPTION_ENOMEM, "%s: cannot be written down", path);
    xmp_string_free(text);
    return status;
}

int xmp_sidecar_write(const char *path, const char *language, const char *text, caption_error *err)
{
    char sidecar[PATH_MAX];
    XmpPtr xmp = NULL;
    if (snprintf(sidecar, sizeof sidecar, "%s.xmp", path) >= PATH_MAX)
        return caption_fail(err, CAPTION_EIO, "%s: path too long", path);
    int status = read_packet(sidecar, &xmp, err);
    if (status == CAPTION_OK && !is_somebodys(xmp)) {
        if (!describe(xmp, language, text))
            status = caption_fail(err, CAPTION_EFORMAT, "%s: takes no description", sidecar);
        else
            status = write_packet(xmp, sidecar, err);
    }
    if (xmp)
        xmp_free(xmp);
    return status;
}
