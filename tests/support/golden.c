/* golden.c: see golden.h. */
#include "tests/support/golden.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/storage/file_bytes.h"

cJSON *golden_open(const char *path)
{
    caption_error err;
    file_bytes file;
    if (file_bytes_read(&file, path, &err) != CAPTION_OK)
        fail_msg("%s", err.message);
    cJSON *json = cJSON_ParseWithLength((const char *)file.bytes, file.size);
    file_bytes_free(&file);
    if (!json)
        fail_msg("%s: not JSON", path);
    return json;
}

const cJSON *golden_member(const cJSON *object, const char *key)
{
    const cJSON *member = cJSON_GetObjectItemCaseSensitive(object, key);
    if (!member)
        fail_msg("golden file: no member %s", key);
    return member;
}

double golden_number(const cJSON *object, const char *key)
{
    const cJSON *member = golden_member(object, key);
    assert_true(cJSON_IsNumber(member));
    return member->valuedouble;
}

const char *golden_text(const cJSON *object, const char *key)
{
    const char *string = cJSON_GetStringValue(golden_member(object, key));
    assert_non_null(string);
    return string;
}

double golden_at(const cJSON *array, int index)
{
    const cJSON *item = cJSON_GetArrayItem(array, index);
    assert_true(cJSON_IsNumber(item));
    return item->valuedouble;
}

double golden_error(const cJSON *summary, size_t count, const float *values)
{
    const cJSON *samples = golden_member(summary, "samples");
    const size_t wanted = (size_t)cJSON_GetArraySize(samples);
    double sum = 0, error = 0;
    assert_true(wanted > 1 && count >= wanted);
    for (size_t i = 0; i < count; i++)
        sum += values[i];
    for (size_t i = 0; i < wanted; i++)
        error = fmax(error, fabs(values[i * (count - 1) / (wanted - 1)] - golden_at(samples, (int)i)));
    error = fmax(error / golden_number(summary, "abs_max"),
                 fabs(sum - golden_number(summary, "sum")) / golden_number(summary, "abs_sum"));
    return isfinite(sum) ? error : INFINITY;
}
