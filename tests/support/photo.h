/* photo.h: generated pictures in every format that captiond reads, and request bodies around them. */
#ifndef TESTS_SUPPORT_PHOTO_H
#define TESTS_SUPPORT_PHOTO_H

#include <stddef.h>

typedef struct photo {
    unsigned char *bytes; /* malloc'd */
    size_t size;
} photo;

/* A picture of smooth colours and noise; the same seed gives the same picture. format: "jpeg", "png", "bmp", "gif". */
photo photo_make(const char *format, int width, int height, unsigned seed);
void photo_free(photo *p);

/* Its base64 text, malloc'd. */
char *photo_base64(const photo *p);

/* Appends a part to a multipart body whose boundary is PHOTO_BOUNDARY; photo_form_end closes it. */
#define PHOTO_BOUNDARY "captiond-test-boundary"
#define PHOTO_FORM_TYPE "multipart/form-data; boundary=" PHOTO_BOUNDARY
void photo_form_add(photo *form, const char *name, const void *bytes, size_t size);
void photo_form_end(photo *form);

#endif
