//! The netpacket interface (libretro.h, `retro_netpacket_callback`): a frontend's netplay that carries
//! packets of the core.
//!
//! `send` and `poll_receive` may be called on the emulation thread alone, inside `retro_run` or one of these
//! callbacks, from `start` to `stop`.

use super::abi::{NetpacketCallback, NetpacketPollReceiveFn, NetpacketSendFn, SET_NETPACKET_INTERFACE};
use super::frontend_callbacks::{Callback, call};
use super::guard;
use crate::netplay::NETPLAY;
use gamelink_core::protocol::VERSION;
use gamelink_driver::{Link, MAX_DATAGRAM};
use libc::{c_int, c_void};
use std::ffi::CString;
use std::sync::LazyLock;

/// `RETRO_NETPACKET_FLUSH_HINT` with `RETRO_NETPACKET_UNRELIABLE`, which is 0: a datagram that is late is of
/// no use, and one that is lost is repeated by the next.
const FLAGS: c_int = 1 << 2;

static SEND: Callback<NetpacketSendFn> = Callback::missing();
static POLL_RECEIVE: Callback<NetpacketPollReceiveFn> = Callback::missing();

/// Version that the frontend compares on both sides, and tells a player of; the string lives for ever.
static PROTOCOL: LazyLock<CString> =
    LazyLock::new(|| super::c_strings::c_string(&format!("Gamelink {VERSION}")));

/// Offers to carry netplay over the link; false where the frontend knows no such thing.
pub(crate) fn offer() -> bool {
    let mut interface = NetpacketCallback {
        start: Some(start),
        receive: Some(receive),
        stop: Some(stop),
        poll: None,
        connected: Some(connected),
        disconnected: Some(disconnected),
        protocol_version: PROTOCOL.as_ptr(),
    };
    // SAFETY: the command takes a `retro_netpacket_callback`, which the frontend copies.
    unsafe { call(SET_NETPACKET_INTERFACE, (&raw mut interface).cast()) }
}

/// Netplay is over: the frontend's functions must not be called any more.
pub(crate) fn forget() {
    SEND.set(None);
    POLL_RECEIVE.set(None);
    NETPLAY.forget();
}

/// Sends what waits for the partner, and takes what has come from it.
pub(crate) fn exchange(link: &Link) {
    let mut buffer = [0; MAX_DATAGRAM];
    while let (Some(send), Some(partner)) = (SEND.get(), NETPLAY.partner()) {
        let Some(len) = link.poll_packet(&mut buffer) else {
            break;
        };
        // SAFETY: the frontend's function, between `start` and `stop`, on the emulation thread; it copies the
        // bytes.
        unsafe { send(FLAGS, buffer.as_ptr().cast(), len.min(MAX_DATAGRAM), partner) };
    }
    if let Some(poll_receive) = POLL_RECEIVE.get() {
        // SAFETY: as above; it may call `receive`, `stop` and the others, and nothing is locked.
        unsafe { poll_receive() };
    }
}

unsafe extern "C" fn start(
    own_id: u16,
    send: Option<NetpacketSendFn>,
    poll_receive: Option<NetpacketPollReceiveFn>,
) {
    guard((), || {
        SEND.set(send);
        POLL_RECEIVE.set(poll_receive);
        NETPLAY.start(own_id);
    });
}

unsafe extern "C" fn receive(bytes: *const c_void, len: usize, from: u16) {
    guard((), || {
        if bytes.is_null() {
            return;
        }
        // One byte more than the longest datagram shows that it is too long.
        let len = len.min(MAX_DATAGRAM + 1);
        // SAFETY: the frontend's packet has at least so many bytes, valid during this call.
        let packet = unsafe { std::slice::from_raw_parts(bytes.cast::<u8>(), len) };
        NETPLAY.receive(from, packet);
    });
}

unsafe extern "C" fn stop() {
    guard((), || {
        SEND.set(None);
        POLL_RECEIVE.set(None);
        NETPLAY.stop();
    });
}

unsafe extern "C" fn connected(id: u16) -> bool {
    guard(false, || NETPLAY.connected(id))
}

unsafe extern "C" fn disconnected(id: u16) {
    guard((), || NETPLAY.disconnected(id));
}
