// Sends requests to an echo server as fast as possible, and prints the number of requests, the
// seconds and the CPU seconds:
//     client tcp HOST PORT | udp HOST PORT | unix PATH -   SIZE CONNECTIONS SECONDS
// One request is open on each connection at any time. epoll reports the answered ones; the sockets
// block.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

static double now(clockid_t clock)
{
    timespec time;
    clock_gettime(clock, &time);
    return time.tv_sec + time.tv_nsec * 1e-9;
}

[[noreturn]] static void fail(const char* what)
{
    perror(what);
    exit(1);
}

static int open_connection(const std::string& kind, const char* host, const char* port)
{
    int descriptor;
    int result;
    if (kind == "unix") {
        descriptor = socket(AF_UNIX, SOCK_STREAM, 0);
        sockaddr_un address = {};
        address.sun_family = AF_UNIX;
        strncpy(address.sun_path, host, sizeof address.sun_path - 1);
        result = connect(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address);
    } else {
        descriptor = socket(AF_INET, kind == "udp" ? SOCK_DGRAM : SOCK_STREAM, 0);
        sockaddr_in address = {};
        address.sin_family = AF_INET;
        address.sin_port = htons(atoi(port));
        inet_pton(AF_INET, host, &address.sin_addr);
        result = connect(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address);
        const int yes = 1;
        setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes); // of no effect on UDP
    }
    if (result < 0)
        fail("connect");
    return descriptor;
}

static void request(int descriptor, const std::vector<char>& message)
{
    size_t sent = 0;
    while (sent < message.size()) {
        ssize_t count = send(descriptor, message.data() + sent, message.size() - sent, MSG_NOSIGNAL);
        if (count <= 0)
            fail("send");
        sent += count;
    }
}

// The number of bytes of an answer received so far.
static size_t receive(int descriptor)
{
    // On a page: the kernel's copy to some other addresses takes three times as long on some CPUs.
    alignas(4096) static char buffer[1 << 20];
    ssize_t count = recv(descriptor, buffer, sizeof buffer, 0);
    if (count <= 0)
        fail("recv");
    return count;
}

int main(int, char** arguments)
{
    const std::string kind = arguments[1];
    const std::vector<char> message(atoi(arguments[4]));
    const int number = atoi(arguments[5]);
    const double seconds = atof(arguments[6]);

    std::vector<int> descriptors;
    std::vector<size_t> left(number, message.size());
    const int epoll = epoll_create1(0);
    for (int i = 0; i < number; ++i) {
        descriptors.push_back(open_connection(kind, arguments[2], arguments[3]));
        epoll_event event = { EPOLLIN, {} };
        event.data.u32 = i;
        epoll_ctl(epoll, EPOLL_CTL_ADD, descriptors[i], &event);
    }

    // The first request on each connection is not counted: the server accepts it then.
    for (int descriptor : descriptors) {
        request(descriptor, message);
        for (size_t got = 0; got < message.size();)
            got += receive(descriptor);
    }

    long requests = 0;
    const double start = now(CLOCK_MONOTONIC);
    for (int descriptor : descriptors)
        request(descriptor, message);
    std::vector<epoll_event> events(number);
    for (int open = number; open > 0;) {
        // One connection needs no epoll: recv() waits.
        int count = 1;
        if (number > 1)
            count = epoll_wait(epoll, events.data(), number, -1);
        for (int i = 0; i < count; ++i) {
            const int which = events[i].data.u32;
            left[which] -= receive(descriptors[which]);
            if (left[which] > 0)
                continue;
            ++requests;
            left[which] = message.size();
            if (now(CLOCK_MONOTONIC) - start < seconds)
                request(descriptors[which], message);
            else
                --open;
        }
    }
    printf("%ld %.9f %.9f\n", requests, now(CLOCK_MONOTONIC) - start, now(CLOCK_PROCESS_CPUTIME_ID));
}
