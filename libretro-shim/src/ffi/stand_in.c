/* Imports what the stock core imports for its link and its cartridges' clocks; for the test in socket.rs. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

int link_open(unsigned short port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
	int descriptor = socket(AF_INET, SOCK_STREAM, 0);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (connect(descriptor, (struct sockaddr *)&address, sizeof address) != 0) {
		close(descriptor);
		return -1;
	}
	return descriptor;
}

int link_available(int descriptor)
{
	int available = -1;
	return ioctl(descriptor, FIONREAD, &available) < 0 ? -1 : available;
}

/* Until something is there, at most ten seconds. */
int link_wait(int descriptor)
{
	struct timeval limit = { .tv_sec = 10 };
	fd_set descriptors;
	FD_ZERO(&descriptors);
	FD_SET(descriptor, &descriptors);
	return select(descriptor + 1, &descriptors, 0, 0, &limit);
}

long link_write(int descriptor, const unsigned char *bytes)
{
	return write(descriptor, bytes, 2);
}

long link_read(int descriptor, unsigned char *bytes)
{
	return read(descriptor, bytes, 2);
}

/* By its address, which lies in a slot of another kind than a call's, also where a compiler knows no -fno-plt. */
long link_read_by_address(int descriptor, unsigned char *bytes)
{
	ssize_t (*volatile function)(int, void *, size_t) = read;
	return function(descriptor, bytes, 2);
}

int link_close(int descriptor)
{
	return close(descriptor);
}

/* Its own data, which lies behind the linking tables. */
static int counter = 1;

int count(void)
{
	return ++counter;
}

int *count_place(void)
{
	return &counter;
}

int time_size(void)
{
	return sizeof(time_t);
}

long long wall_clock(void)
{
	return time(0);
}

long long wall_clock_out(void)
{
	time_t now;
	time(&now);
	return now;
}
