/* served.h: what the tests of one program mostly share: a daemon, and a photo to send it.
 *
 *     static int start(void **state)
 *     {
 *         return served_start(state, photo_make("png", 50, 40, 1), NULL);
 *     }
 *     ... cmocka_run_group_tests(tests, start, served_end); */
#ifndef TESTS_SUPPORT_SERVED_H
#define TESTS_SUPPORT_SERVED_H

#include "tests/support/captiond.h"
#include "tests/support/photo.h"

extern captiond *served;
extern photo served_photo;

/* captiond_setup, and a daemon with these options (captiond_serve); takes over the photo. */
int served_start(void **state, photo image, const char *const *options);
int served_end(void **state);

#endif
