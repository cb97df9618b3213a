/* helper.c: see helper.h. */
#include "server/decode/helper.h"

#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model/visualize.h"
#include "server/decode/lockdown.h"

#ifdef DECODE_FAULTS /* captiond-faulty, a program of the tests */
#include "tests/support/decode_faults.h"
#endif

enum { KEPT_BYTES = 16 << 20 }; /* of memory, from one image to the next */

static int put_picture(helper_memory *memory, const caption_picture *picture, caption_error *err)
{
    if (picture->width > HELPER_SIDE || picture->height > HELPER_SIDE)
        return caption_fail(err, CAPTION_ELIMIT, "the picture's sides are larger than %d", HELPER_SIDE);
    memory->answer.width = picture->width;
    memory->answer.height = picture->height;
    memcpy(memory->picture, picture->rgb, (size_t)picture->width * (size_t)picture->height * 3);
    return CAPTION_OK;
}

void helper_serve(helper_memory *memory, const unsigned char *file)
{
    const helper_question q = memory->question;
    helper_answer *answer = &memory->answer;
    const int pictured = q.wanted & HELPER_PICTURE;
    caption_picture picture = {0};
    memset(answer, 0, sizeof *answer);
#ifdef DECODE_FAULTS
    if (decode_faults(memory, file, q.size))
        return;
#endif
    answer->status =
        caption_image_and_picture_decode(q.wanted & HELPER_IMAGE ? &memory->image : NULL, pictured ? &picture : NULL,
                                         q.max_side, file, q.size, &q.limits, &answer->reason);
    if (pictured && !answer->status)
        answer->status = put_picture(memory, &picture, &answer->reason);
    caption_picture_free(&picture);
}

static int serve_all(helper_memory *memory)
{
    char byte;
    while (read(HELPER_SOCKET, &byte, 1) == 1) {
        helper_serve(memory, memory->file);
        if (write(HELPER_SOCKET, &byte, 1) != 1)
            break;
        if (mallinfo2().arena > KEPT_BYTES)
            malloc_trim(0);
    }
    return 0;
}

static helper_memory *map_memory(caption_error *err)
{
    struct stat facts;
    void *at = MAP_FAILED;
    if (fstat(HELPER_MEMORY, &facts) == 0 && (size_t)facts.st_size >= sizeof(helper_memory))
        at = mmap(NULL, (size_t)facts.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, HELPER_MEMORY, 0);
    if (at == MAP_FAILED) {
        caption_fail(err, CAPTION_EIO, "there is no shared memory: captiond starts this command itself");
        return NULL;
    }
    close(HELPER_MEMORY);
    return at;
}

int helper_main(void)
{
    caption_error err;
    helper_memory *memory = map_memory(&err);
    if (!memory) {
        fprintf(stderr, "captiond " HELPER_COMMAND ": %s\n", err.message);
        return 2;
    }
    prctl(PR_SET_NAME, "captiond-decode");
    caption_init(); /* while it may still open files */
    helper_answer *answer = &memory->answer;
    answer->status = lockdown(HELPER_SOCKET, memory->memory_mb << 20, &answer->reason);
    const int failed = answer->status != CAPTION_OK;
    if (write(HELPER_SOCKET, "", 1) != 1 || failed) /* ready, or why not */
        return 1;
    return serve_all(memory);
}
