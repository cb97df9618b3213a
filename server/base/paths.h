/* paths.h: messages that strangers may read. */
#ifndef SERVER_PATHS_H
#define SERVER_PATHS_H

/* Of every absolute path in the text leaves the last part: "/var/lib/captiond/captiond.db: it is damaged" becomes
 * "captiond.db: it is damaged". A path begins with '/' where no word is before it, and ends at a blank, a quote, a
 * comma, a semicolon, a bracket, or a colon with a blank behind it. */
void paths_hide(char *text);

#endif
