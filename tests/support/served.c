/* served.c: see served.h. */
#include "tests/support/served.h"

captiond *served;
photo served_photo;

int served_start(void **state, photo image, const char *const *options)
{
    served_photo = image;
    if (captiond_setup(state))
        return -1;
    served = captiond_serve(options);
    return 0;
}

int served_end(void **state)
{
    captiond_stop(served);
    photo_free(&served_photo);
    return captiond_teardown(state);
}
