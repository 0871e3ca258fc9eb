//! The environment callback that the stock core gets: answers what concerns the cable, passes on the rest
//! untouched.

use super::abi::*;
use super::c_strings::owned;
use super::core_callbacks::presentation;
use super::frontend_callbacks::call;
use super::option_arrays::{self, Written};
use super::{guard, serial_registers, work_ram};
use crate::fail_points;
use crate::lifecycle::session;
use crate::options::{Declaration, Form, LinkKey};
use crate::presentation::Mode;
use crate::settings;
use crate::unpoisoned_lock::lock;
use libc::{c_uint, c_void};
use std::collections::BTreeSet;
use std::ffi::CString;
use std::sync::Mutex;

/// Options as last declared to the frontend; some frontends keep pointers into them.
static DECLARED: Mutex<Vec<Written>> = Mutex::new(Vec::new());

/// The stock core's declaration, without its link.
struct Stock {
    command: c_uint,
    form: Form,
    us: Declaration,
    local: Option<Declaration>,
    /// The machines that this one had met when the core was loaded: the player may have chosen one, and a
    /// frontend forgets a choice that is not listed.
    met: BTreeSet<CString>,
}

static STOCK: Mutex<Option<Stock>> = Mutex::new(None);

/// The core is gone, and with it the options.
pub(super) fn forget_declared() {
    lock(&DECLARED).clear();
    *lock(&STOCK) = None;
}

/// Declares the options anew, with these machines to play with. Nothing where the core has declared none.
pub(crate) fn redeclare(partners: &[CString]) {
    let stock = lock(&STOCK).take();
    if let Some(stock) = stock {
        stock.declare(partners);
        lock(&STOCK).get_or_insert(stock);
    }
}

impl Stock {
    /// Declares it to the frontend, with our own options.
    fn declare(&self, partners: &[CString]) -> bool {
        let mut us = self.us.clone();
        let partners: BTreeSet<&CString> = self.met.iter().chain(partners).collect();
        let partners: Vec<CString> = partners.into_iter().cloned().collect();
        us.add_own(self.form, &partners);
        let us = option_arrays::write(self.form, us);
        let local = self.local.clone();
        let local = local.map(|local| option_arrays::write(self.form, local));
        let mut intl = OptionsIntl {
            us: us.as_ptr(),
            local: local.as_ref().map_or(std::ptr::null(), Written::as_ptr),
        };
        let is_intl = matches!(self.command, SET_CORE_OPTIONS_INTL | SET_CORE_OPTIONS_V2_INTL);
        let options = match is_intl {
            true => (&raw mut intl).cast(),
            false => us.as_ptr().cast_mut(),
        };
        // SAFETY: what the command takes, just made.
        let result = unsafe { call(self.command, options) };
        // Only now the former ones go: the frontend may have read them until here.
        *lock(&DECLARED) = [us].into_iter().chain(local).collect();
        result
    }
}

/// The core's environment callback.
pub(super) unsafe extern "C" fn environment(command: c_uint, data: *mut c_void) -> bool {
    guard(false, || {
        fail_points::place("environment");
        // SAFETY: the core's own arguments.
        unsafe { dispatch(command, data) }
    })
}

/// # Safety
/// `data` is what libretro.h says this command takes.
unsafe fn dispatch(command: c_uint, data: *mut c_void) -> bool {
    match command {
        // SAFETY: the command takes a `retro_variable`.
        GET_VARIABLE => unsafe { get_variable(data.cast()) },
        GET_VARIABLE_UPDATE if !data.is_null() => {
            // A frame that is replayed or taken back changes no option.
            let mode = presentation().mode();
            let is_updated = !matches!(mode, Mode::Replay | Mode::Ahead) && session().poll_option_update();
            // SAFETY: the command takes a `bool` to fill in, and this one is not null.
            unsafe { data.cast::<bool>().write(is_updated) };
            true
        }
        // A replay shows no message.
        SET_MESSAGE | SET_MESSAGE_EXT if presentation().mode() == Mode::Replay => true,
        // SAFETY: the core's own arguments.
        SET_VARIABLES => unsafe { set_options(command, Form::Variables, data) },
        // SAFETY: as above.
        SET_CORE_OPTIONS | SET_CORE_OPTIONS_INTL => unsafe { set_options(command, Form::V1, data) },
        // SAFETY: as above.
        SET_CORE_OPTIONS_V2 | SET_CORE_OPTIONS_V2_INTL => unsafe { set_options(command, Form::V2, data) },
        SET_CORE_OPTIONS_DISPLAY => {
            // SAFETY: the command takes a `retro_core_option_display`, whose key is its first field, as in a
            // `retro_variable`.
            let key = unsafe { link_key(data.cast()) };
            // SAFETY: the core's own arguments.
            key.is_some() || unsafe { call(command, data) }
        }
        SET_MEMORY_MAPS => {
            // SAFETY: the command takes a `retro_memory_map` of memory that lives as long as the game.
            unsafe { serial_registers::read_memory_map(data.cast()) };
            // SAFETY: as above.
            unsafe { work_ram::read_memory_map(data.cast()) };
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
    // SAFETY: the caller's promise.
    LinkKey::parse(&unsafe { owned(*key) }?)
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

/// Replaces the stock core's link options by ours; those of a build without a link stay.
///
/// # Safety
/// `data` is null or as the command wants it, which takes options of this form.
unsafe fn set_options(command: c_uint, form: Form, data: *mut c_void) -> bool {
    let is_intl = matches!(command, SET_CORE_OPTIONS_INTL | SET_CORE_OPTIONS_V2_INTL);
    let given = match is_intl {
        // SAFETY: the caller's promise.
        true => unsafe { data.cast::<OptionsIntl>().as_ref() },
        false => Some(&OptionsIntl {
            us: data,
            local: std::ptr::null(),
        }),
    };
    let Some(given) = given else { return false };
    // SAFETY: what the command takes.
    let mut us = unsafe { option_arrays::read(form, given.us) };
    session().handle_declaration(&us);
    if !us.has_link() {
        // SAFETY: the core's own arguments.
        return unsafe { call(command, data) };
    }
    us.remove_link();
    let local = (!given.local.is_null()).then(|| {
        // SAFETY: what the command takes.
        let mut local = unsafe { option_arrays::read(form, given.local) };
        local.remove_link();
        local
    });
    let stock = Stock {
        command,
        form,
        us,
        local,
        met: settings::machines_met(),
    };
    let result = stock.declare(&[]);
    *lock(&STOCK) = Some(stock);
    result
}
