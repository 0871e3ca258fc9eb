/*
 * Stands in for the stock core in tests of the whole shim: a "Gambatte" whose game clocks one byte a frame and saves in every frame.
 *
 * It declares a link, connects to what it is told, shows its registers as current builds do, and its states are lists of fields as
 * the stock core's. -DNO_LINK leaves the link out; -DFALSE_MAP shows FF00 in a memory that is not the game's; -DSENDS_OTHERS sends
 * other bytes than FF01 holds from the 30th frame on.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

enum { GET_CAN_DUPE = 3, GET_VARIABLE = 15, SET_VARIABLES = 16, GET_VARIABLE_UPDATE = 17, SET_MEMORY_MAPS = 36 | 0x10000 };

enum { SYSTEM_RAM = 1 << 2 };

struct variable { const char *key, *value; };
struct descriptor {
	uint64_t flags;
	void *ptr;
	size_t offset, start, select, disconnect, len;
	const char *addrspace;
};
struct map { const struct descriptor *descriptors; unsigned count; };
struct system_info {
	const char *name, *version, *extensions;
	bool need_fullpath, block_extract;
};

typedef bool (*environment_fn)(unsigned, void *);
typedef void (*video_fn)(const void *, unsigned, unsigned, size_t);
typedef size_t (*audio_fn)(const int16_t *, size_t);
typedef void (*poll_fn)(void);
typedef int16_t (*input_fn)(unsigned, unsigned, unsigned, unsigned);

static environment_fn environment;
static video_fn video;
static audio_fn audio;
static poll_fn input_poll;
static input_fn input_state;

/* FE00 to FFFF; the bytes at C000; the cartridge's RAM. */
static uint8_t registers[512], elsewhere[512], wram[64], sram[256];
static uint16_t picture[160 * 144];
static int16_t sound[2 * 549];
static int link_socket = -1;

static const char *ask(const char *key)
{
	struct variable variable = { key, NULL };
	return environment(GET_VARIABLE, &variable) ? variable.value : NULL;
}

static int number(const char *key)
{
	const char *value = ask(key);
	return value ? atoi(value) : 0;
}

static void connect_link(void)
{
#ifndef NO_LINK
	struct sockaddr_in address = { .sin_family = AF_INET };
	const char *mode = ask("gambatte_gb_link_mode");
	if (!mode || strcmp(mode, "Network Client") != 0)
		return;
	address.sin_port = htons(number("gambatte_gb_link_network_port"));
	address.sin_addr.s_addr = htonl(number("gambatte_gb_link_network_server_ip_octet1") << 24
		| number("gambatte_gb_link_network_server_ip_octet2") << 16
		| number("gambatte_gb_link_network_server_ip_octet3") << 8
		| number("gambatte_gb_link_network_server_ip_octet4"));
	link_socket = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(link_socket, (struct sockaddr *)&address, sizeof address) != 0) {
		close(link_socket);
		link_socket = -1;
	}
#endif
}

static uint8_t exchange(uint8_t byte)
{
	uint8_t bytes[2] = { byte, 0 };
#ifndef NO_LINK
	int available;
	if (link_socket < 0)
		return 0xFF;
	/* The link is looked at, too, as an armed game does. */
	ioctl(link_socket, FIONREAD, &available);
	if (write(link_socket, bytes, 2) != 2 || read(link_socket, bytes, 2) != 2)
		return 0xFF;
	return bytes[0];
#else
	return 0xFF;
#endif
}

EXPORT unsigned retro_api_version(void) { return 1; }
EXPORT void retro_init(void) {}
EXPORT void retro_deinit(void) {}
EXPORT void retro_reset(void) {}
EXPORT void retro_cheat_reset(void) {}
EXPORT void retro_cheat_set(unsigned index, bool enabled, const char *code) {}
EXPORT unsigned retro_get_region(void) { return 0; }
EXPORT void retro_get_system_av_info(void *info) {}
EXPORT void retro_set_controller_port_device(unsigned port, unsigned device) {}
EXPORT void retro_set_audio_sample(void *callback) {}
EXPORT void retro_set_audio_sample_batch(audio_fn callback) { audio = callback; }
EXPORT void retro_set_video_refresh(video_fn callback) { video = callback; }
EXPORT void retro_set_input_poll(poll_fn callback) { input_poll = callback; }
EXPORT void retro_set_input_state(input_fn callback) { input_state = callback; }

EXPORT void retro_get_system_info(struct system_info *info)
{
	info->name = "Gambatte";
	info->version = "stand-in";
	info->extensions = "gb";
	info->need_fullpath = info->block_extract = false;
}

EXPORT void retro_set_environment(environment_fn callback)
{
	static const struct variable options[] = {
#ifndef NO_LINK
		{ "gambatte_gb_link_mode", "Link; Not Connected|Network Server|Network Client" },
#endif
		{ "gambatte_gb_colorization", "Colours; disabled|internal" },
		{ NULL, NULL },
	};
	environment = callback;
	environment(SET_VARIABLES, (void *)options);
}

EXPORT bool retro_load_game(const void *game)
{
#ifdef FALSE_MAP
	uint8_t *shown = elsewhere;
#else
	uint8_t *shown = registers;
#endif
	const struct descriptor descriptors[] = {
		{ 0, registers, 0, 0xFE00, 0, 0, 0xA0, NULL },
		{ 0, shown, 0x100, 0xFF00, 0, 0, 0x80, NULL },
		{ SYSTEM_RAM, wram, 0, 0xC000, 0, 0, 0x20, NULL },
		{ SYSTEM_RAM, wram, 0x20, 0xD000, 0, 0, 0x20, NULL },
	};
	struct map map = { descriptors, 4 };
	memset(elsewhere, 0xFF, sizeof elsewhere);
	memset(registers, 0, sizeof registers);
	memset(wram, 0, sizeof wram);
	memset(sram, 0, sizeof sram);
	registers[0x102] = 0x7E;
	connect_link();
	environment(SET_MEMORY_MAPS, &map);
	return true;
}

EXPORT bool retro_load_game_special(unsigned kind, const void *games, size_t count) { return false; }

EXPORT void retro_unload_game(void)
{
	if (link_socket >= 0)
		close(link_socket);
	link_socket = -1;
}

/* Counts frames at C000 and in the save, both little endian; what was received is mixed into the four bytes behind. */
EXPORT void retro_run(void)
{
	bool is_updated = false;
	uint32_t frame, mix;
	uint16_t buttons = 0;
	uint8_t received;
	input_poll();
	for (unsigned id = 0; id < 10; id++)
		buttons |= (input_state(0, 1, 0, id) != 0) << id;
	environment(GET_VARIABLE_UPDATE, &is_updated);
	memcpy(&frame, wram, 4);
	memcpy(&mix, wram + 4, 4);
	frame++;
	registers[0x101] = frame * 7;
#ifdef SENDS_OTHERS
	received = exchange(frame < 30 ? registers[0x101] : registers[0x101] ^ 1);
#else
	received = exchange(registers[0x101]);
#endif
	registers[0x101] = received;
	registers[0x102] = 0x7F;
	mix = mix * 31 + received + (uint32_t)time(NULL);
	memcpy(wram, &frame, 4);
	memcpy(wram + 4, &mix, 4);
	memcpy(sram, wram, 8);
	picture[0] = frame;
	picture[1] = buttons;
	picture[2] = received;
	video(picture, 160, 144, 320);
	audio(sound, 549);
}

static size_t field(uint8_t *state, size_t at, const char *name, void *value, size_t len, int is_load)
{
	size_t name_len = strlen(name) + 1;
	if (!is_load && state) {
		memcpy(state + at, name, name_len);
		state[at + name_len] = len >> 16;
		state[at + name_len + 1] = len >> 8;
		state[at + name_len + 2] = len;
		memcpy(state + at + name_len + 3, value, len);
	} else if (state) {
		memcpy(value, state + at + name_len + 3, len);
	}
	return at + name_len + 3 + len;
}

static size_t fields(uint8_t *state, int is_load)
{
	static uint8_t cycles[4], never[4] = { 0xFF, 0xFF, 0xFF, 0xFF }, pending;
	size_t at = 5;
	at = field(state, at, "cc", cycles, 4, is_load);
	at = field(state, at, "hram", registers, sizeof registers, is_load);
	at = field(state, at, "netsv", &pending, 1, is_load);
	at = field(state, at, "serialt", never, 4, is_load);
	at = field(state, at, "sram", sram, sizeof sram, is_load);
	return field(state, at, "wram", wram, sizeof wram, is_load);
}

EXPORT size_t retro_serialize_size(void) { return fields(NULL, 0); }

EXPORT bool retro_serialize(uint8_t *data, size_t size)
{
	if (size != fields(NULL, 0))
		return false;
	memset(data, 0, 5);
	fields(data, 0);
	return true;
}

EXPORT bool retro_unserialize(uint8_t *data, size_t size)
{
	if (size != fields(NULL, 0))
		return false;
	fields(data, 1);
	return true;
}

EXPORT void *retro_get_memory_data(unsigned id) { return id == 0 ? sram : id == 2 ? wram : NULL; }
EXPORT size_t retro_get_memory_size(unsigned id) { return id == 0 ? sizeof sram : id == 2 ? sizeof wram : 0; }
