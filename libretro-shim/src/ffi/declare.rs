//! Core options between C arrays and [`Declaration`].

use super::abi::*;
use crate::options::{Category, Choice, Declaration, Definition};
use libc::c_char;
use std::ffi::{CStr, CString};

/// No build has nearly as many options; an array without its terminator must end somewhere.
const DEFINITIONS_MAX: usize = 1024;

/// C arrays, with everything that they point to.
pub(super) struct Owned<T> {
    array: Box<[T]>,
    /// What the array's pointers point to.
    _declaration: Declaration,
}

// SAFETY: the pointers in the array lead into the declaration beside it, which nobody changes.
unsafe impl<T> Send for Owned<T> {}

impl<T> Owned<T> {
    pub(super) fn as_ptr(&self) -> *const T {
        self.array.as_ptr()
    }
}

fn own(text: *const c_char) -> Option<CString> {
    // SAFETY: libretro.h wants null or a C string in every text field.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_owned())
}

fn pointer(text: Option<&CString>) -> *const c_char {
    text.map_or(std::ptr::null(), |text| text.as_ptr())
}

/// Copies the entries of an array that ends with an entry whose key is null.
///
/// # Safety
/// `array` is null or such an array.
unsafe fn entries<T: Copy>(array: *const T, key: impl Fn(&T) -> *const c_char) -> Vec<T> {
    let mut found = Vec::new();
    if array.is_null() {
        return found;
    }
    for index in 0..DEFINITIONS_MAX {
        // SAFETY: the terminator was not before this entry, so the array goes on to it.
        let place = unsafe { array.add(index) };
        // SAFETY: an entry of the array.
        let entry = unsafe { *place };
        if key(&entry).is_null() {
            break;
        }
        found.push(entry);
    }
    found
}

fn choices(values: &[OptionValue; VALUES_MAX]) -> Vec<Choice> {
    values
        .iter()
        .map_while(|entry| {
            Some(Choice {
                value: own(entry.value)?,
                label: own(entry.label),
            })
        })
        .collect()
}

fn values(choices: &[Choice]) -> [OptionValue; VALUES_MAX] {
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

/// Reads what `SET_VARIABLES` takes.
///
/// # Safety
/// `array` is null or as the command wants it.
pub(super) unsafe fn read_variables(array: *const Variable) -> Declaration {
    let copy = |variable: &Plain| Definition {
        key: own(variable.key).unwrap_or_default(),
        desc: own(variable.value),
        ..Definition::default()
    };
    // SAFETY: the caller's promise; `Plain` is `Variable` made copyable.
    let variables = unsafe { entries(array.cast::<Plain>(), |variable| variable.key) };
    Declaration {
        categories: Vec::new(),
        definitions: variables.iter().map(copy).collect(),
    }
}

/// `retro_variable`, copyable.
#[derive(Clone, Copy)]
#[repr(C)]
struct Plain {
    key: *const c_char,
    value: *const c_char,
}

/// Makes what `SET_VARIABLES` takes.
pub(super) fn write_variables(declaration: Declaration) -> Owned<Variable> {
    let end = Variable {
        key: std::ptr::null(),
        value: std::ptr::null(),
    };
    let array = declaration
        .definitions
        .iter()
        .map(|definition| Variable {
            key: definition.key.as_ptr(),
            value: pointer(definition.desc.as_ref()),
        })
        .chain([end])
        .collect();
    Owned {
        array,
        _declaration: declaration,
    }
}

/// Reads what `SET_CORE_OPTIONS` takes.
///
/// # Safety
/// `array` is null or as the command wants it.
pub(super) unsafe fn read_v1(array: *const OptionDefinition) -> Declaration {
    let copy = |definition: &OptionDefinition| Definition {
        key: own(definition.key).unwrap_or_default(),
        desc: own(definition.desc),
        info: own(definition.info),
        choices: choices(&definition.values),
        default_value: own(definition.default_value),
        ..Definition::default()
    };
    // SAFETY: the caller's promise.
    let definitions = unsafe { entries(array, |definition| definition.key) };
    Declaration {
        categories: Vec::new(),
        definitions: definitions.iter().map(copy).collect(),
    }
}

/// Makes what `SET_CORE_OPTIONS` takes.
pub(super) fn write_v1(declaration: Declaration) -> Owned<OptionDefinition> {
    let end = OptionDefinition {
        key: std::ptr::null(),
        desc: std::ptr::null(),
        info: std::ptr::null(),
        values: values(&[]),
        default_value: std::ptr::null(),
    };
    let array = declaration
        .definitions
        .iter()
        .map(|definition| OptionDefinition {
            key: definition.key.as_ptr(),
            desc: pointer(definition.desc.as_ref()),
            info: pointer(definition.info.as_ref()),
            values: values(&definition.choices),
            default_value: pointer(definition.default_value.as_ref()),
        })
        .chain([end])
        .collect();
    Owned {
        array,
        _declaration: declaration,
    }
}

/// Reads what `SET_CORE_OPTIONS_V2` takes.
///
/// # Safety
/// `options` is null or as the command wants it.
pub(super) unsafe fn read_v2(options: *const OptionsV2) -> Declaration {
    // SAFETY: the caller's promise.
    let Some(options) = (unsafe { options.as_ref() }) else {
        return Declaration::default();
    };
    let category = |category: &OptionV2Category| Category {
        key: own(category.key).unwrap_or_default(),
        desc: own(category.desc),
        info: own(category.info),
    };
    let definition = |definition: &OptionV2Definition| Definition {
        key: own(definition.key).unwrap_or_default(),
        desc: own(definition.desc),
        desc_categorized: own(definition.desc_categorized),
        info: own(definition.info),
        info_categorized: own(definition.info_categorized),
        category_key: own(definition.category_key),
        choices: choices(&definition.values),
        default_value: own(definition.default_value),
    };
    // SAFETY: the caller's promise.
    let categories = unsafe { entries(options.categories, |category| category.key) };
    // SAFETY: the caller's promise.
    let definitions = unsafe { entries(options.definitions, |definition| definition.key) };
    Declaration {
        categories: categories.iter().map(category).collect(),
        definitions: definitions.iter().map(definition).collect(),
    }
}

/// What `SET_CORE_OPTIONS_V2` takes, with everything that it points to.
pub(super) struct OwnedV2 {
    options: Box<OptionsV2>,
    _categories: Box<[OptionV2Category]>,
    _definitions: Owned<OptionV2Definition>,
}

// SAFETY: all pointers lead to what the structure itself owns, which nobody changes.
unsafe impl Send for OwnedV2 {}

impl OwnedV2 {
    pub(super) fn as_ptr(&self) -> *const OptionsV2 {
        &raw const *self.options
    }
}

/// Makes what `SET_CORE_OPTIONS_V2` takes.
pub(super) fn write_v2(declaration: Declaration) -> OwnedV2 {
    let categories_end = OptionV2Category {
        key: std::ptr::null(),
        desc: std::ptr::null(),
        info: std::ptr::null(),
    };
    let categories: Box<[_]> = declaration
        .categories
        .iter()
        .map(|category| OptionV2Category {
            key: category.key.as_ptr(),
            desc: pointer(category.desc.as_ref()),
            info: pointer(category.info.as_ref()),
        })
        .chain([categories_end])
        .collect();
    let end = OptionV2Definition {
        key: std::ptr::null(),
        desc: std::ptr::null(),
        desc_categorized: std::ptr::null(),
        info: std::ptr::null(),
        info_categorized: std::ptr::null(),
        category_key: std::ptr::null(),
        values: values(&[]),
        default_value: std::ptr::null(),
    };
    let array = declaration
        .definitions
        .iter()
        .map(|definition| OptionV2Definition {
            key: definition.key.as_ptr(),
            desc: pointer(definition.desc.as_ref()),
            desc_categorized: pointer(definition.desc_categorized.as_ref()),
            info: pointer(definition.info.as_ref()),
            info_categorized: pointer(definition.info_categorized.as_ref()),
            category_key: pointer(definition.category_key.as_ref()),
            values: values(&definition.choices),
            default_value: pointer(definition.default_value.as_ref()),
        })
        .chain([end])
        .collect();
    let definitions = Owned {
        array,
        _declaration: declaration,
    };
    let options = Box::new(OptionsV2 {
        categories: categories.as_ptr(),
        definitions: definitions.as_ptr(),
    });
    OwnedV2 {
        options,
        _categories: categories,
        _definitions: definitions,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Form;

    fn declaration(form: Form) -> Declaration {
        let mut declaration = Declaration::default();
        declaration.add_own(form);
        declaration
    }

    #[test]
    fn options_survive_the_way_through_c() {
        let variables = declaration(Form::Variables);
        let c = write_variables(variables.clone());
        // SAFETY: a whole array, just made.
        assert_eq!(unsafe { read_variables(c.as_ptr()) }, variables);

        let v1 = declaration(Form::V1);
        let c = write_v1(v1.clone());
        // SAFETY: a whole array, just made.
        assert_eq!(unsafe { read_v1(c.as_ptr()) }, v1);

        let v2 = declaration(Form::V2);
        let c = write_v2(v2.clone());
        // SAFETY: a whole structure, just made.
        assert_eq!(unsafe { read_v2(c.as_ptr()) }, v2);
    }

    #[test]
    fn null_is_no_option_at_all() {
        // SAFETY: null is allowed.
        assert_eq!(unsafe { read_v2(std::ptr::null()) }, Declaration::default());
        // SAFETY: null is allowed.
        assert_eq!(unsafe { read_v1(std::ptr::null()) }, Declaration::default());
    }

    #[test]
    fn an_option_with_every_place_filled_keeps_its_terminator() {
        let mut v2 = declaration(Form::V2);
        let choice = v2.definitions[0].choices[0].clone();
        v2.definitions[0].choices = vec![choice; 200];
        let c = write_v2(v2);
        // SAFETY: a whole structure, just made.
        let v2 = unsafe { read_v2(c.as_ptr()) };
        assert_eq!(v2.definitions[0].choices.len(), VALUES_MAX - 1);
    }
}
