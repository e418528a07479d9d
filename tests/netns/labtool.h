// Declarations that the parts of labtool share. Every part is one subcommand: it gets its arguments and
// returns an exit status.
#ifndef LABTOOL_H
#define LABTOOL_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int tunnel(int argc, char **argv);
int echo(int argc, char **argv);
int ask(int argc, char **argv);
int flood(int argc, char **argv);
int talk(int argc, char **argv);
int watch(int argc, char **argv);
int name_server(int argc, char **argv);
int resolve(int argc, char **argv);
int first(int argc, char **argv);
int rate(int argc, char **argv);
int knock(int argc, char **argv);
int heard(int argc, char **argv);
int netifd(int argc, char **argv);
int inject(int argc, char **argv);

// CLOCK_MONOTONIC, in microseconds.
int64_t now_us(void);

// Prints what failed and why, and ends the process.
_Noreturn void die(const char *what);

#endif
