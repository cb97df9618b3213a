/* commands.h: the commands of captiond. Each gets argv with its own name in front and returns the exit status:
 * 0 well done, 1 it failed and said why on stderr, 2 wrong usage. */
#ifndef SERVER_COMMANDS_H
#define SERVER_COMMANDS_H

int command_serve(int argc, char **argv);
int command_caption(int argc, char **argv);
int command_features(int argc, char **argv);
int command_train(int argc, char **argv);
int command_eval(int argc, char **argv);
int command_saliency(int argc, char **argv);
int command_fool(int argc, char **argv);
int command_visualize(int argc, char **argv);
int command_invert(int argc, char **argv);
int command_dream(int argc, char **argv);
int command_selftest(int argc, char **argv);
int command_bench(int argc, char **argv);
int command_repair(int argc, char **argv);
int command_health(int argc, char **argv);

#endif
