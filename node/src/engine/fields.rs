//! What people type into the fields of administration: names, codes, logins.

use fengqiao_hub::jurisdiction::{Code as DivisionCode, NAME_CHARACTERS_MAX, Place};
use fengqiao_hub::name;
use fengqiao_hub::refusal::{Code, Refusal};

/// Official code and name of a place, new where new ones are given.
pub(super) fn renamed(place: &Place, code: &str, name: &str) -> Result<(String, String), Refusal> {
    let or = |new: &str, old: &str| if new.is_empty() { old } else { new }.to_owned();
    Ok((
        code_of(&or(code, &place.code))?,
        name_of(&or(name, &place.name))?,
    ))
}

/// An official code as it is kept, or empty.
pub(super) fn code_of(typed: &str) -> Result<String, Refusal> {
    let code = name::half_width(typed);
    if !code.is_empty() && code.parse::<DivisionCode>().is_err() {
        return Err(Refusal::of(Code::Malformed, "code").because("2 | 4 | 6 | 9 | 12 × 0-9"));
    }
    Ok(code)
}

/// A name of a place or unit as it is kept.
pub(super) fn name_of(typed: &str) -> Result<String, Refusal> {
    name::read(typed, NAME_CHARACTERS_MAX, "name")
}

pub(super) fn login_allowed(login: &str) -> Result<(), Refusal> {
    let plain = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'.' || byte == b'-'
    };
    if login.is_empty() || login.len() > 32 || !login.bytes().all(plain) {
        return Err(Refusal::of(Code::Malformed, "login").because("1-32 of a-z 0-9 . -"));
    }
    Ok(())
}
