/* bench.h: the measurements of `captiond bench`. Each prints CSV on stdout, a header line first. */
#ifndef SERVER_BENCH_H
#define SERVER_BENCH_H

int bench_caption(int argc, char **argv);
int bench_encoder(int argc, char **argv);
int bench_gradient(int argc, char **argv);
int bench_train(int argc, char **argv);

#endif
