// labtool: programs that the lab needs and no package has.
#define _GNU_SOURCE
#include "labtool.h"

#include <signal.h>
#include <string.h>
#include <time.h>

static const struct {
    const char *name, *arguments;
    int least;
    int (*run)(int, char **);
} commands[] = {
    { "tunnel", "NAMESPACE TUN NAMESPACE TUN [SLEEPS_AFTER_MS WAKES_IN_MS]", 4, tunnel },
    { "echo", "PORT MODEFILE", 2, echo },
    { "ask", "LINK ADDRESS PORT [MARK]", 3, ask },
    { "flood", "ADDRESS PORT PACKETS_PER_SECOND SECONDS [BYTES]", 4, flood },
    { "talk", "tcp|udp|dns ADDRESS PORT [MILLISECONDS]", 3, talk },
    { "watch", "", 0, watch },
    { "names", "ADDRESS OTHER_ADDRESS", 2, name_server },
    { "resolve", "SERVER NAME [4|6 [TRIES]]", 2, resolve },
    { "first", "SERVER NAME#.EXAMPLE FROM COUNT [PORT [4|6]]", 4, first },
    { "rate", "SERVER NAME#.EXAMPLE OTHER#.EXAMPLE QUERIES_PER_SECOND SECONDS [FROM]", 5, rate },
    { "knock", "ADDRESS TYPE CODE HOPS TEXT", 5, knock },
    { "heard", "", 0, heard },
    { "inject", "DIRECTORY ORDER PROGRAM [ARGUMENTS]", 3, inject },
    { "netifd", "add|del LINK route|address ADDRESS METRIC|PREFIX [SOURCE]", 5, netifd },
};

int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

void die(const char *what)
{
    perror(what);
    exit(1);
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdout, NULL, _IOLBF, 0);

    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (argc > 1 && strcmp(argv[1], commands[i].name) == 0 && argc - 2 >= commands[i].least)
            return commands[i].run(argc - 2, argv + 2);

    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        fprintf(stderr, "labtool %s %s\n", commands[i].name, commands[i].arguments);
    return 64;
}
