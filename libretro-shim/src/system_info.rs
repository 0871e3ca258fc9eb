//! Name and version of this library, as the frontend shows them.

use crate::ffi::Identity;
use crate::lifecycle::session;
use crate::locate_core;
use crate::unpoisoned_lock::lock;
use std::ffi::CString;
use std::sync::Mutex;

/// Identity of this library: the stock core's own name, so that `RetroArch` finds the player's saves, states
/// and options in the folders of that name; and a version that tells the two apart.
///
/// On a mapping that only looks at cores, the stock core is opened for the question and closed again. The
/// answers are kept for good, because nothing says how long a frontend looks at the strings.
pub(crate) fn system_identity() -> &'static Identity {
    static KNOWN: Mutex<Vec<&'static Identity>> = Mutex::new(Vec::new());
    let stock = session()
        .with_core(None, |core| Some(core.identity()))
        .or_else(|| Some(locate_core::open_for_a_look().ok()?.core.identity()));
    let identity = own_identity(stock);
    let mut known = lock(&KNOWN);
    if let Some(same) = known.iter().find(|known| ***known == identity) {
        return same;
    }
    let identity: &'static Identity = Box::leak(Box::new(identity));
    known.push(identity);
    identity
}

fn own_identity(stock: Option<Identity>) -> Identity {
    let text = |text: String| CString::new(text).unwrap_or_default();
    let own = concat!("Gamelink ", env!("CARGO_PKG_VERSION"));
    match stock {
        Some(stock) => Identity {
            version: text(format!("{} + {own}", stock.version.to_string_lossy())),
            ..stock
        },
        None => Identity {
            name: c"Gambatte".to_owned(),
            version: text(format!("{own}, Gambatte not found")),
            extensions: c"gb|gbc|dmg".to_owned(),
            need_fullpath: false,
            block_extract: false,
        },
    }
}
