/* visual.h: what tests ask of /v1/saliency and of the jobs that make pictures.
 *
 *     photo cat = visual_photo();
 *     long long id = visual_submit(c, "/v1/dream?layer=deep&steps=2", &cat);
 *     training_expect(c, id, "succeeded");
 *     caption_picture dream = fetch_visual_picture(c, id, "result"); */
#ifndef TESTS_SUPPORT_VISUAL_H
#define TESTS_SUPPORT_VISUAL_H

#include "model/visualize.h"
#include "tests/support/client.h"
#include "tests/support/photo.h"

/* What the encoder takes the cat of visual_photo for. */
extern const char visual_cat[]; /* "Egyptian cat" */
enum { VISUAL_CAT = 285 };

/* The photo of a cat that the documentation shows (docs/images/chelsea.jpg). */
photo visual_photo(void);

/* The cat as a small picture in the corner of a grey one, `side` long, whose left upper pixel is at (left, top). */
photo visual_cat_at(int side, int left, int top, int size);

/* Posts a photo (NULL: nothing) as the raw body; the path, query included, is a printf format. accept: NULL for none.
 */
reply visual_post(const captiond *c, const photo *image, const char *accept, const char *path, ...)
    __attribute__((format(printf, 4, 5)));

/* The same; fails the test unless it becomes a job of the kind that the path names, whose id is returned. */
long long visual_submit(const captiond *c, const photo *image, const char *path, ...)
    __attribute__((format(printf, 3, 4)));

/* Waits until the job has told of so many steps. */
void visual_wait_step(const captiond *c, long long id, int step);

/* A picture of the job, decoded; fails the test unless it is a PNG. The caller frees it. */
caption_picture fetch_visual_picture(const captiond *c, const char *url);

/* The same of an answer's body. */
caption_picture visual_decode(const reply *r);

/* How many pictures called PREFIX... lie in the job's directory; 0 if there is none. */
int visual_count_files(long long id, const char *prefix);

#endif
