/* The shim on real sockets, and the properties of the kernel that it relies on. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "../../native/attrd_shim.h"
#include "rig.h"

static char path[64];
static attrd_handle *shim;
static int listening, attrd;
static uint32_t gets;

static void on_events(int32_t answer_size)
{
    static uint8_t value[ATTRD_MAX_SENT];
    attrd_event event;
    attrd_process(shim, SECOND);
    while (attrd_next_event(shim, SECOND, &event) != 0)
        if (event.type == ATTRD_EVENT_GET) {
            CHECK(attrd_answer(shim, event.token, 0, value, answer_size) == ATTRD_OK);
            gets++;
        }
}

static void give(message m)
{
    CHECK(send(attrd, m.bytes, m.size, MSG_DONTWAIT) == (ssize_t)m.size);
}

static int open_descriptors(void)
{
    int count = 0;
    for (int fd = 0; fd < 100; fd++)
        count += dup2(fd, fd) == fd;
    return count;
}

static void start(void)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    snprintf(path, sizeof path, "/tmp/attrd-test-kernel.%d", (int)getpid());
    memcpy(address.sun_path, path, sizeof path);
    listening = socket(AF_UNIX, SOCK_STREAM, 0);
    if (bind(listening, (struct sockaddr *)&address, sizeof address) != 0 || listen(listening, 2) != 0)
        abort();
    shim = attrd_create(path, "IPC.CONNMGR", NULL, 0, SECOND);
    on_events(0);
    attrd = accept(listening, NULL, NULL);
    uint8_t bytes[MESSAGE_MAX];
    CHECK(recv(attrd, bytes, sizeof bytes, 0) == 30);
    give(make(1, "1", OK));
    on_events(0);
}

static void stop(void)
{
    attrd_destroy(shim);
    close(attrd);
    close(listening);
    unlink(path);
}

static attrd_watch watch(void)
{
    attrd_watch w;
    attrd_get_watch(shim, &w);
    return w;
}

/* attrd reads 4,096 bytes, and loses a message that is cut at their end. No message may be lost, in whatever
 * order attrd reads and we send, and however many there are. */
static void a_read_never_cuts_a_message(void)
{
    static const int32_t sizes[] = { 0, 1, 41, 500, 1366, 2038, 2039, 4000 - 19 - 13, ATTRD_MAX_SENT };
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint8_t bytes[MESSAGE_MAX];
        uint32_t heard = 0;
        start();
        gets = 0;
        for (unsigned id = 1; id <= 250; id++)
            give(make(REQUEST | id, "142", OP_GET, 65008u, id));
        int before = open_descriptors();
        for (int rounds = 0; rounds < 10000 && heard < 250; rounds++) {
            on_events(sizes[i]);
            ssize_t count = recv(attrd, bytes, sizeof bytes, MSG_DONTWAIT);
            for (ssize_t at = 0, size; at < count; at += size) {
                size = message_size(bytes + at, (size_t)(count - at));
                CHECK(size > 0);
                if (size <= 0)
                    break;
                heard++;
                CHECK(message_sequence(bytes + at) == heard);
            }
        }
        CHECK(heard == 250 && gets == 250);
        CHECK(open_descriptors() == before); /* attrd has none left */
        stop();
    }
}

static void a_full_socket_is_waited_for(void)
{
    uint8_t bytes[MESSAGE_MAX];
    start();
    gets = 0;
    for (unsigned id = 1; id <= 250; id++)
        give(make(REQUEST | id, "142", OP_GET, 65008u, id));
    for (int i = 0; i < 10; i++)
        on_events(1000);
    CHECK(gets < 30 && (watch().events & ATTRD_WRITABLE) != 0); /* they wait in the shim, not in the kernel */
    struct pollfd p = { .fd = watch().fd, .events = POLLOUT };
    CHECK(poll(&p, 1, 0) == 0);
    while (recv(attrd, bytes, sizeof bytes, MSG_DONTWAIT) > 0)
        continue;
    CHECK(poll(&p, 1, 0) == 1 && p.revents == POLLOUT);
    stop();
}

static void descriptors_come_and_go_with_the_connection(void)
{
    int before = open_descriptors();
    start();
    CHECK(watch().fd >= 0 && open_descriptors() == before + 4);
    close(attrd);
    on_events(0);
    CHECK(watch().fd == -1 && open_descriptors() == before + 1);
    stop();
    shim = attrd_create(path, "IPC.CONNMGR", NULL, 0, SECOND);
    attrd_event event;
    attrd_process(shim, SECOND);
    CHECK(attrd_next_event(shim, SECOND, &event) == 1 && event.status == ATTRD_CLOSED_CONNECT);
    CHECK(event.attribute == ENOENT && open_descriptors() == before);
    attrd_destroy(shim);
}

/* What attrd does when it continues: reads a message, answers it, and so on to the end. */
static unsigned answers_to_the_end(int fd)
{
    uint8_t bytes[MESSAGE_MAX];
    unsigned answered = 0;
    ssize_t count;
    while ((count = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT)) > 0)
        if ((message_sequence(bytes) & REQUEST) != 0) {
            message m = make(message_sequence(bytes) & ~REQUEST, "12", OK, 1u);
            for (int i = 0; i < 3; i++) /* the set reply, too, and anything else */
                CHECK(send(fd, m.bytes, m.size, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)m.size);
            answered++;
        }
    CHECK(count == 0 || errno == ECONNRESET);
    return answered;
}

static void attrd_can_answer_what_it_had_not_read_when_we_ended(void)
{
    uint8_t value = 1;
    message get = make(REQUEST | 1, "142", OP_GET, 65008u, 1u);
    int before = open_descriptors();

    start();
    CHECK(attrd_publish(shim, 65008, &value, 1, SECOND) == ATTRD_OK);
    attrd_destroy(shim);
    CHECK(send(attrd, get.bytes, get.size, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)get.size);
    CHECK(answers_to_the_end(attrd) == 1);
    CHECK(send(attrd, get.bytes, get.size, MSG_DONTWAIT | MSG_NOSIGNAL) == -1); /* now it is closed */
    close(attrd);

    /* Also with a full socket. */
    shim = attrd_create(path, "IPC.CONNMGR", NULL, 0, SECOND);
    on_events(0);
    attrd = accept(listening, NULL, NULL);
    for (unsigned id = 1; id <= 100; id++)
        give(make(REQUEST | id, "142", OP_GET, 65008u, id));
    for (int i = 0; i < 10; i++)
        on_events(1000);
    CHECK((watch().events & ATTRD_WRITABLE) != 0);
    attrd_destroy(shim);
    CHECK(answers_to_the_end(attrd) == 1);
    close(attrd);

    /* attrd has not even accepted us. */
    shim = attrd_create(path, "IPC.CONNMGR", NULL, 0, SECOND);
    on_events(0);
    attrd_destroy(shim);
    attrd = accept(listening, NULL, NULL);
    CHECK(answers_to_the_end(attrd) == 1);
    close(attrd);
    close(listening);
    unlink(path);
    CHECK(open_descriptors() == before);
}

int main(void)
{
    rig_test("kernel: a read never cuts a message", a_read_never_cuts_a_message);
    rig_test("kernel: a full socket is waited for", a_full_socket_is_waited_for);
    rig_test("kernel: descriptors come and go with the connection",
             descriptors_come_and_go_with_the_connection);
    rig_test("kernel: attrd can answer what it had not read when we ended",
             attrd_can_answer_what_it_had_not_read_when_we_ended);
    return rig_end();
}
