/* notify.h: tells the service manager how the daemon is, by the protocol of sd_notify(3), without libsystemd.
 *
 * The manager names a datagram socket in $NOTIFY_SOCKET (a path, or an abstract name behind '@') and, if it wants to
 * hear regularly, a time in $WATCHDOG_USEC. Started by anything else, all of this does nothing. */
#ifndef SERVER_NOTIFY_H
#define SERVER_NOTIFY_H

/* Sends lines such as "READY=1" or "STOPPING=1". Returns 1 if it was sent, 0 if nobody asked, -1 with errno. */
int notify_send(const char *lines);

/* How often to send "WATCHDOG=1", in milliseconds: half of what the manager asks of this very process, as its manual
 * advises. 0: it does not ask. */
int notify_watchdog_ms(void);

#endif
