//! Core options between C arrays and [`Declaration`].

use super::abi::*;
use crate::options::{Category, Choice, Declaration, Definition, Form};
use libc::{c_char, c_void};
use std::any::Any;
use std::ffi::{CStr, CString};

/// No build has nearly as many options; an array without its terminator must end somewhere.
const DEFINITIONS_MAX: usize = 1024;

/// Options as an environment command takes them, with everything that they point to.
pub(super) struct Written {
    /// The command's argument, in `_arrays`.
    data: *const c_void,
    _arrays: Box<dyn Any>,
    /// The arrays' pointers lead here.
    _declaration: Declaration,
}

// SAFETY: all pointers lead to what the structure itself owns, which nobody changes.
unsafe impl Send for Written {}

impl Written {
    pub(super) fn as_ptr(&self) -> *const c_void {
        self.data
    }
}

/// `retro_variable`, whose text is named as in the other forms.
#[repr(C)]
struct Plain {
    key: *const c_char,
    /// `value`: the description and the choices.
    desc: *const c_char,
}

/// An entry of an array that ends with one of null pointers.
trait Entry {
    type Plain;

    /// `None` for the terminator.
    fn read(&self) -> Option<Self::Plain>;

    /// The terminator of `None`.
    fn write(plain: Option<&Self::Plain>) -> Self;
}

macro_rules! entry {
    ($c:ident <=> $plain:ident: $($text:ident)* $(, $values:ident <=> $choices:ident)?) => {
        impl Entry for $c {
            type Plain = $plain;

            fn read(&self) -> Option<$plain> {
                #[allow(clippy::needless_update, reason = "some entries have all fields")]
                Some($plain {
                    key: own(self.key)?,
                    $($text: own(self.$text),)*
                    $($choices: read_values(&self.$values),)?
                    ..$plain::default()
                })
            }

            fn write(plain: Option<&$plain>) -> $c {
                $c {
                    key: pointer(plain.map(|plain| &plain.key)),
                    $($text: pointer(plain.and_then(|plain| plain.$text.as_ref())),)*
                    $($values: write_values(plain.map_or(&[], |plain| &plain.$choices)),)?
                }
            }
        }
    };
}

entry!(Plain <=> Definition: desc);
entry!(OptionDefinition <=> Definition: desc info default_value, values <=> choices);
entry!(OptionV2Definition <=> Definition:
    desc desc_categorized info info_categorized category_key default_value, values <=> choices);
entry!(OptionV2Category <=> Category: desc info);

fn own(text: *const c_char) -> Option<CString> {
    // SAFETY: libretro.h wants null or a C string in every text field.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_owned())
}

fn pointer(text: Option<&CString>) -> *const c_char {
    text.map_or(std::ptr::null(), |text| text.as_ptr())
}

fn read_values(values: &[OptionValue; VALUES_MAX]) -> Vec<Choice> {
    let choice = |entry: &OptionValue| {
        Some(Choice {
            value: own(entry.value)?,
            label: own(entry.label),
        })
    };
    values.iter().map_while(choice).collect()
}

fn write_values(choices: &[Choice]) -> [OptionValue; VALUES_MAX] {
    let mut values = [OptionValue {
        value: std::ptr::null(),
        label: std::ptr::null(),
    }; VALUES_MAX];
    // The last place stays the terminator.
    for (entry, choice) in values[..VALUES_MAX - 1].iter_mut().zip(choices) {
        entry.value = choice.value.as_ptr();
        entry.label = pointer(choice.label.as_ref());
    }
    values
}

/// Copies an array.
///
/// # Safety
/// `array` is null or an array that ends with an entry whose key is null.
unsafe fn read_array<T: Entry>(array: *const T) -> Vec<T::Plain> {
    // SAFETY: null, or an entry of the array, whose terminator was not before it.
    let read = |index| unsafe { array.wrapping_add(index).as_ref() }?.read();
    (0..DEFINITIONS_MAX).map_while(read).collect()
}

/// Writes an array of pointers into `plain`.
fn write_array<T: Entry>(plain: &[T::Plain]) -> Vec<T> {
    let entries = plain.iter().map(Some).chain([None]);
    entries.map(T::write).collect()
}

fn keep<T: 'static>(array: Vec<T>) -> (*const c_void, Box<dyn Any>) {
    (array.as_ptr().cast(), Box::new(array))
}

/// Reads the options that an environment command takes in this form.
///
/// # Safety
/// `data` is null or as the command wants it.
pub(super) unsafe fn read(form: Form, data: *const c_void) -> Declaration {
    let mut declaration = Declaration::default();
    declaration.definitions = match form {
        // SAFETY: the caller's promise; `Plain` is `retro_variable`.
        Form::Variables => unsafe { read_array::<Plain>(data.cast()) },
        // SAFETY: the caller's promise.
        Form::V1 => unsafe { read_array::<OptionDefinition>(data.cast()) },
        Form::V2 => {
            // SAFETY: the caller's promise.
            let Some(options) = (unsafe { data.cast::<OptionsV2>().as_ref() }) else {
                return declaration;
            };
            // SAFETY: the caller's promise.
            declaration.categories = unsafe { read_array(options.categories) };
            // SAFETY: the caller's promise.
            unsafe { read_array(options.definitions) }
        }
    };
    declaration
}

/// Writes the options that an environment command takes in this form.
pub(super) fn write(form: Form, declaration: Declaration) -> Written {
    let (data, arrays): (_, Box<dyn Any>) = match form {
        Form::Variables => keep(write_array::<Plain>(&declaration.definitions)),
        Form::V1 => keep(write_array::<OptionDefinition>(&declaration.definitions)),
        Form::V2 => {
            let categories = write_array(&declaration.categories);
            let definitions = write_array(&declaration.definitions);
            let options = OptionsV2 {
                categories: categories.as_ptr(),
                definitions: definitions.as_ptr(),
            };
            let (data, options) = keep(vec![options]);
            (data, Box::new((options, categories, definitions)))
        }
    };
    Written {
        data,
        _arrays: arrays,
        _declaration: declaration,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMS: [Form; 3] = [Form::Variables, Form::V1, Form::V2];

    fn declaration(form: Form) -> Declaration {
        let mut declaration = Declaration::default();
        declaration.add_own(form, &[c"den".to_owned()]);
        declaration
    }

    #[test]
    fn options_survive_the_way_through_c() {
        for form in FORMS {
            let before = declaration(form);
            let c = write(form, before.clone());
            // SAFETY: whole arrays, just made.
            assert_eq!(unsafe { read(form, c.as_ptr()) }, before, "{form:?}");
        }
    }

    #[test]
    fn null_is_no_option_at_all() {
        for form in FORMS {
            // SAFETY: null is allowed.
            let declaration = unsafe { read(form, std::ptr::null()) };
            assert_eq!(declaration, Declaration::default());
        }
    }

    #[test]
    fn an_option_with_every_place_filled_keeps_its_terminator() {
        let mut v2 = declaration(Form::V2);
        let choice = v2.definitions[0].choices[0].clone();
        v2.definitions[0].choices = vec![choice; 200];
        let c = write(Form::V2, v2);
        // SAFETY: a whole structure, just made.
        let v2 = unsafe { read(Form::V2, c.as_ptr()) };
        assert_eq!(v2.definitions[0].choices.len(), VALUES_MAX - 1);
    }
}
