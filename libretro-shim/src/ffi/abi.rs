//! Types and constants of `libretro.h` that `libretro-sys` lacks, under the header's own names.

use libc::{c_char, c_int, c_uint, c_void};

pub(crate) use libretro_sys::EnvironmentFn;
pub(super) use libretro_sys::{
    API_VERSION, AudioSampleBatchFn, AudioSampleFn, GameInfo, InputPollFn, InputStateFn, MemoryMap, Message,
    SystemAvInfo, SystemInfo, Variable, VideoRefreshFn,
};

pub(super) use libretro_sys::{
    ENVIRONMENT_GET_CAN_DUPE as GET_CAN_DUPE, ENVIRONMENT_GET_LIBRETRO_PATH as GET_LIBRETRO_PATH,
    ENVIRONMENT_GET_LOG_INTERFACE as GET_LOG_INTERFACE, ENVIRONMENT_GET_VARIABLE as GET_VARIABLE,
    ENVIRONMENT_GET_VARIABLE_UPDATE as GET_VARIABLE_UPDATE, ENVIRONMENT_SET_MEMORY_MAPS as SET_MEMORY_MAPS,
    ENVIRONMENT_SET_MESSAGE as SET_MESSAGE, ENVIRONMENT_SET_VARIABLES as SET_VARIABLES,
};
pub(super) const GET_AUDIO_VIDEO_ENABLE: c_uint = 47 | libretro_sys::ENVIRONMENT_EXPERIMENTAL;
pub(super) const SET_CORE_OPTIONS: c_uint = 53;
pub(super) const SET_CORE_OPTIONS_INTL: c_uint = 54;
pub(super) const SET_CORE_OPTIONS_DISPLAY: c_uint = 55;
pub(super) const GET_MESSAGE_INTERFACE_VERSION: c_uint = 59;
pub(super) const SET_MESSAGE_EXT: c_uint = 60;
pub(super) const SET_CORE_OPTIONS_V2: c_uint = 67;
pub(super) const SET_CORE_OPTIONS_V2_INTL: c_uint = 68;
pub(super) const SET_VARIABLE: c_uint = 70;
pub(super) const GET_SAVESTATE_CONTEXT: c_uint = 72 | libretro_sys::ENVIRONMENT_EXPERIMENTAL;

pub(super) const SET_NETPACKET_INTERFACE: c_uint = 78;

/// `RETRO_MEMDESC_SYSTEM_RAM`: work RAM of the game.
pub(super) const MEMDESC_SYSTEM_RAM: u64 = 1 << 2;

/// Limit on the values of one option, the terminator included (`RETRO_NUM_CORE_OPTION_VALUES_MAX`).
pub(super) const VALUES_MAX: usize = 128;

/// `retro_core_option_value`.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct OptionValue {
    pub(super) value: *const c_char,
    pub(super) label: *const c_char,
}

/// `retro_core_option_definition`.
#[repr(C)]
pub(super) struct OptionDefinition {
    pub(super) key: *const c_char,
    pub(super) desc: *const c_char,
    pub(super) info: *const c_char,
    pub(super) values: [OptionValue; VALUES_MAX],
    pub(super) default_value: *const c_char,
}

/// `retro_core_options_intl` and `retro_core_options_v2_intl`: pointers to the options in English and in the
/// player's language.
#[repr(C)]
pub(super) struct OptionsIntl {
    pub(super) us: *const c_void,
    pub(super) local: *const c_void,
}

/// `retro_core_option_v2_category`.
#[repr(C)]
pub(super) struct OptionV2Category {
    pub(super) key: *const c_char,
    pub(super) desc: *const c_char,
    pub(super) info: *const c_char,
}

/// `retro_core_option_v2_definition`.
#[repr(C)]
pub(super) struct OptionV2Definition {
    pub(super) key: *const c_char,
    pub(super) desc: *const c_char,
    pub(super) desc_categorized: *const c_char,
    pub(super) info: *const c_char,
    pub(super) info_categorized: *const c_char,
    pub(super) category_key: *const c_char,
    pub(super) values: [OptionValue; VALUES_MAX],
    pub(super) default_value: *const c_char,
}

/// `retro_core_options_v2`.
#[repr(C)]
pub(super) struct OptionsV2 {
    pub(super) categories: *const OptionV2Category,
    pub(super) definitions: *const OptionV2Definition,
}

/// `retro_message_ext`.
#[repr(C)]
pub(super) struct MessageExt {
    pub(super) msg: *const c_char,
    /// Milliseconds.
    pub(super) duration: c_uint,
    pub(super) priority: c_uint,
    /// `retro_log_level`.
    pub(super) level: c_int,
    /// `retro_message_target`: 0 screen and log, 1 screen, 2 log.
    pub(super) target: c_int,
    /// `retro_message_type`: 0 is a notification.
    pub(super) kind: c_int,
    pub(super) progress: i8,
}

/// `retro_log_printf_t`; libretro-sys leaves out that it is variadic.
pub(super) type LogPrintfFn = unsafe extern "C" fn(level: c_int, format: *const c_char, ...);

/// `retro_log_callback`.
#[repr(C)]
pub(super) struct LogCallback {
    pub(super) log: Option<LogPrintfFn>,
}

/// `retro_netpacket_send_t`.
pub(super) type NetpacketSendFn =
    unsafe extern "C" fn(flags: c_int, bytes: *const c_void, len: usize, client_id: u16);

/// `retro_netpacket_poll_receive_t`.
pub(super) type NetpacketPollReceiveFn = unsafe extern "C" fn();

/// `retro_netpacket_start_t`.
pub(super) type NetpacketStartFn = unsafe extern "C" fn(
    client_id: u16,
    send: Option<NetpacketSendFn>,
    poll_receive: Option<NetpacketPollReceiveFn>,
);

/// `retro_netpacket_callback`.
#[repr(C)]
pub(super) struct NetpacketCallback {
    pub(super) start: Option<NetpacketStartFn>,
    pub(super) receive: Option<unsafe extern "C" fn(bytes: *const c_void, len: usize, client_id: u16)>,
    pub(super) stop: Option<unsafe extern "C" fn()>,
    pub(super) poll: Option<unsafe extern "C" fn()>,
    pub(super) connected: Option<unsafe extern "C" fn(client_id: u16) -> bool>,
    pub(super) disconnected: Option<unsafe extern "C" fn(client_id: u16)>,
    pub(super) protocol_version: *const c_char,
}
