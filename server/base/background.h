/* background.h: threads that must not keep captions waiting. */
#ifndef SERVER_BACKGROUND_H
#define SERVER_BACKGROUND_H

typedef enum background_level {
    BACKGROUND_IDLE,   /* SCHED_IDLE: runs when no other thread wants the core; on a busy machine, hardly ever */
    BACKGROUND_LOW,    /* nice 19: a small share of a busy core */
    BACKGROUND_NORMAL, /* like any other */
} background_level;

/* The choices of --background, and the level of one of them. */
#define BACKGROUND_CHOICES "idle|low|normal"
background_level background_parse(const char *choice);

/* Moves the calling thread there; threads that it starts inherit the level. There is no way back. It must hold no lock
 * then that others wait for, nor take one for longer than a moment. */
void background_enter(background_level level);

#endif
