/* weights.c: finds weight files by the rule of weights.h. */
#include "server/engine/weights.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char encoder_name[] = "efficientnet-b0.safetensors";
static const char suffix[] = ".safetensors";

/* Joins directory and name; a path that does not fit is an error, never cut. */
static int join(char out[PATH_MAX], const char *directory, const char *name, caption_error *err)
{
    if (snprintf(out, PATH_MAX, "%s/%s", directory, name) >= PATH_MAX)
        return caption_fail(err, CAPTION_EIO, "%s: path too long", name);
    return CAPTION_OK;
}

static int holds_encoder(const char *directory)
{
    char path[PATH_MAX];
    return join(path, directory, encoder_name, NULL) == CAPTION_OK && access(path, F_OK) == 0;
}

/* The directory of the running program, or "." if the system does not tell. */
static void binary_directory(char out[PATH_MAX])
{
    ssize_t length = readlink("/proc/self/exe", out, PATH_MAX - 1);
    out[length > 0 ? length : 0] = '\0';
    char *slash = strrchr(out, '/');
    if (slash)
        *slash = '\0';
    else
        strcpy(out, ".");
}

int weights_directory(const weights_place *place, char out[PATH_MAX], caption_error *err)
{
    static const char *const beside_binary[] = {"../weights", "../share/captiond/weights"};
    if (place->directory) {
        if (snprintf(out, PATH_MAX, "%s", place->directory) >= PATH_MAX)
            return caption_fail(err, CAPTION_EIO, "--weights: path too long");
        return CAPTION_OK;
    }
    strcpy(out, "weights");
    if (holds_encoder(out))
        return CAPTION_OK;
    char binary[PATH_MAX];
    binary_directory(binary);
    for (size_t i = 0; i < sizeof beside_binary / sizeof *beside_binary; i++)
        if (join(out, binary, beside_binary[i], NULL) == CAPTION_OK && holds_encoder(out))
            return CAPTION_OK;
    return caption_fail(err, CAPTION_EIO,
                        "%s is neither in ./weights nor in %.200s/../weights nor in ../share/captiond/weights there; "
                        "say where with --weights DIR",
                        encoder_name, binary);
}

/* "some/where/lstm.safetensors" -> "lstm". */
static int shorten(const char *path, char short_name[WEIGHTS_NAME_BYTES], caption_error *err)
{
    const char *slash = strrchr(path, '/');
    const char *base = slash ? slash + 1 : path;
    size_t length = strlen(base), tail = sizeof suffix - 1;
    if (length > tail && strcmp(base + length - tail, suffix) == 0)
        length -= tail;
    if (length == 0 || length >= WEIGHTS_NAME_BYTES)
        return caption_fail(err, CAPTION_EINVAL, "%s: a model's name has 1 to %d characters", path,
                            WEIGHTS_NAME_BYTES - 1);
    memcpy(short_name, base, length);
    short_name[length] = '\0';
    return CAPTION_OK;
}

static int is_file_name(const char *name)
{
    size_t length = strlen(name), tail = sizeof suffix - 1;
    return strchr(name, '/') || (length > tail && strcmp(name + length - tail, suffix) == 0);
}

static int is_there(const char *path)
{
    return access(path, F_OK) == 0;
}

/* The file's place in the weights directory if it is nowhere, so that a message names that. */
static int find_file(const weights_place *place, const char *file, char out[PATH_MAX], caption_error *err)
{
    char directory[PATH_MAX];
    int status = weights_directory(place, directory, err);
    if (!status && ((status = join(out, directory, file, err)) != CAPTION_OK || is_there(out)))
        return status;
    if (is_there(file)) {
        strcpy(out, file);
        return CAPTION_OK;
    }
    char trained[PATH_MAX];
    if (place->trained && join(trained, place->trained, file, NULL) == CAPTION_OK && is_there(trained)) {
        strcpy(out, trained);
        return CAPTION_OK;
    }
    return status;
}

int weights_model_file(const weights_place *place, const char *name, char out[PATH_MAX],
                       char short_name[WEIGHTS_NAME_BYTES], caption_error *err)
{
    char file[WEIGHTS_NAME_BYTES + sizeof suffix];
    int status = shorten(name, short_name, err);
    if (status)
        return status;
    if (is_file_name(name)) {
        if (snprintf(out, PATH_MAX, "%s", name) >= PATH_MAX)
            return caption_fail(err, CAPTION_EIO, "model file: path too long");
        return CAPTION_OK;
    }
    snprintf(file, sizeof file, "%s%s", short_name, suffix);
    return find_file(place, file, out, err);
}

int weights_open_encoder(const weights_place *place, caption_encoder **out, caption_error *err)
{
    char directory[PATH_MAX], path[PATH_MAX];
    if (place->encoder)
        return caption_encoder_open(out, place->encoder, err);
    int status = weights_directory(place, directory, err);
    if (!status)
        status = join(path, directory, encoder_name, err);
    return status ? status : caption_encoder_open(out, path, err);
}

int weights_open_model(const weights_place *place, const char *name, caption_model **out, caption_error *err)
{
    char path[PATH_MAX], short_name[WEIGHTS_NAME_BYTES];
    int status = weights_model_file(place, name, path, short_name, err);
    return status ? status : caption_model_open(out, path, err);
}
