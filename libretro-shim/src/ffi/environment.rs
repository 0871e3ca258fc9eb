//! The environment callback that the stock core gets: answers what concerns the cable, passes on the rest
//! untouched.

use super::abi::*;
use super::callbacks::call;
use super::declare::{self, Written};
use super::presenter::presentation;
use super::{guard, memory};
use crate::faults;
use crate::lifecycle::session;
use crate::options::{Declaration, Form, LinkKey};
use crate::presentation::Mode;
use crate::sync::lock;
use libc::{c_uint, c_void};
use std::ffi::CStr;
use std::sync::Mutex;

/// Options as last declared to the frontend; some frontends keep pointers into them.
static DECLARED: Mutex<Vec<Written>> = Mutex::new(Vec::new());

/// The core is gone, and with it the options.
pub(super) fn forget_declared() {
    keep(Vec::new());
}

fn keep(new: Vec<Written>) {
    *lock(&DECLARED) = new;
}

/// The core's environment callback.
pub(super) unsafe extern "C" fn environment(command: c_uint, data: *mut c_void) -> bool {
    guard(false, || {
        faults::place("environment");
        // SAFETY: the core's own arguments.
        unsafe { dispatch(command, data) }
    })
}

/// # Safety
/// `data` is what libretro.h says this command takes.
unsafe fn dispatch(command: c_uint, data: *mut c_void) -> bool {
    match command {
        GET_VARIABLE => {
            // SAFETY: the command takes a `retro_variable`.
            unsafe { get_variable(data.cast()) }
        }
        // A frame that is replayed or taken back changes no option, and a replay shows no message.
        GET_VARIABLE_UPDATE
            if !data.is_null() && matches!(presentation().mode(), Mode::Replay | Mode::Ahead) =>
        {
            // SAFETY: as below.
            unsafe { data.cast::<bool>().write(false) };
            true
        }
        SET_MESSAGE | SET_MESSAGE_EXT if presentation().mode() == Mode::Replay => true,
        GET_VARIABLE_UPDATE if !data.is_null() => {
            let is_updated = session().poll_option_update();
            // SAFETY: the command takes a `bool` to fill in, and this one is not null.
            unsafe { data.cast::<bool>().write(is_updated) };
            true
        }
        // SAFETY: the core's own arguments.
        SET_VARIABLES => unsafe { set_options(command, Form::Variables, data) },
        // SAFETY: as above.
        SET_CORE_OPTIONS => unsafe { set_options(command, Form::V1, data) },
        // SAFETY: as above.
        SET_CORE_OPTIONS_INTL => unsafe { set_options_intl(command, Form::V1, data) },
        // SAFETY: as above.
        SET_CORE_OPTIONS_V2 => unsafe { set_options(command, Form::V2, data) },
        // SAFETY: as above.
        SET_CORE_OPTIONS_V2_INTL => unsafe { set_options_intl(command, Form::V2, data) },
        SET_CORE_OPTIONS_DISPLAY => {
            // SAFETY: the command takes a `retro_core_option_display`, whose key is its first field, as in a
            // `retro_variable`.
            let key = unsafe { link_key(data.cast()) };
            // SAFETY: the core's own arguments.
            key.is_some() || unsafe { call(command, data) }
        }
        SET_MEMORY_MAPS => {
            // SAFETY: the command takes a `retro_memory_map` of memory that lives as long as the game.
            unsafe { memory::read_memory_map(data.cast()) };
            // SAFETY: the core's own arguments.
            unsafe { call(command, data) }
        }
        // SAFETY: the core's own arguments.
        _ => unsafe { call(command, data) },
    }
}

/// The link option that this structure, which begins with a key, is about.
///
/// # Safety
/// `entry` is null or points to a C string or null.
unsafe fn link_key(entry: *const *const libc::c_char) -> Option<LinkKey> {
    // SAFETY: the caller's promise.
    let key = unsafe { entry.as_ref() }?;
    if key.is_null() {
        return None;
    }
    // SAFETY: the caller's promise.
    LinkKey::parse(unsafe { CStr::from_ptr(*key) })
}

/// # Safety
/// `variable` is null or a `retro_variable`.
unsafe fn get_variable(variable: *mut Variable) -> bool {
    // SAFETY: the key is the first field.
    let key = unsafe { link_key(variable.cast()) };
    match key.and_then(|key| session().link_answer(key)) {
        Some(answer) => {
            // SAFETY: not null, since it had a key.
            unsafe { (*variable).value = answer };
            true
        }
        // SAFETY: the core's own arguments.
        None => unsafe { call(GET_VARIABLE, variable.cast()) },
    }
}

/// Replaces the stock core's link options by ours; `None` for a build without a link, whose options stay.
fn rewrite(mut declaration: Declaration, form: Form) -> Option<Declaration> {
    session().handle_declaration(&declaration);
    if !declaration.has_link() {
        return None;
    }
    declaration.remove_link();
    declaration.add_own(form);
    Some(declaration)
}

/// # Safety
/// `data` is null or as the command wants it, which takes options of this form in one language.
unsafe fn set_options(command: c_uint, form: Form, data: *mut c_void) -> bool {
    // SAFETY: the caller's promise.
    let declaration = unsafe { declare::read(form, data) };
    let Some(declaration) = rewrite(declaration, form) else {
        // SAFETY: the core's own arguments.
        return unsafe { call(command, data) };
    };
    let options = declare::write(form, declaration);
    // SAFETY: what the command takes, just made.
    let result = unsafe { call(command, options.as_ptr().cast_mut()) };
    keep(vec![options]);
    result
}

/// # Safety
/// `data` is null or as the command wants it, which takes options of this form in two languages.
unsafe fn set_options_intl(command: c_uint, form: Form, data: *mut c_void) -> bool {
    // SAFETY: the caller's promise.
    let Some(intl) = (unsafe { data.cast::<OptionsIntl>().as_ref() }) else {
        return false;
    };
    // SAFETY: what the command takes.
    let us = unsafe { declare::read(form, intl.us) };
    let Some(us) = rewrite(us, form) else {
        // SAFETY: the core's own arguments.
        return unsafe { call(command, data) };
    };
    let us = declare::write(form, us);
    let local = (!intl.local.is_null()).then(|| {
        // SAFETY: what the command takes.
        let mut local = unsafe { declare::read(form, intl.local) };
        local.remove_link();
        declare::write(form, local)
    });
    let mut intl = OptionsIntl {
        us: us.as_ptr(),
        local: local.as_ref().map_or(std::ptr::null(), Written::as_ptr),
    };
    // SAFETY: what the command takes, just made.
    let result = unsafe { call(command, (&raw mut intl).cast()) };
    keep([us].into_iter().chain(local).collect());
    result
}
