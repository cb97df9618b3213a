/* names.h: how datasets and models may be called: what is safe as a file name, in a URL and on a command line. */
#ifndef SERVER_NAMES_H
#define SERVER_NAMES_H

enum { NAME_BYTES = 65 }; /* 64 characters */

/* What is wrong with a name ("is too long"), or NULL. */
const char *name_fault(const char *name);

#endif
