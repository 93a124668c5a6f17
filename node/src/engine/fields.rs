//! What people type into the fields of administration: names, codes, logins.

use fengqiao_hub::jurisdiction::{Code as DivisionCode, NAME_CHARACTERS_MAX, Place};
use fengqiao_hub::refusal::{Code, Refusal};

/// Official code and name of a place, new where new ones are given.
pub(super) fn renamed(place: &Place, code: &str, name: &str) -> Result<(String, String), Refusal> {
    let or = |new: &str, old: &str| if new.is_empty() { old } else { new }.to_owned();
    let (code, name) = (or(code, &place.code), or(name, &place.name));
    name_allowed(&name)?;
    code_allowed(&code)?;
    Ok((code, name))
}

pub(super) fn code_allowed(code: &str) -> Result<(), Refusal> {
    if !code.is_empty() && code.parse::<DivisionCode>().is_err() {
        return Err(Refusal::of(Code::Malformed, "code"));
    }
    Ok(())
}

pub(super) fn name_allowed(name: &str) -> Result<(), Refusal> {
    if name.trim().is_empty() {
        return Err(Refusal::of(Code::Empty, "name"));
    }
    if name.chars().count() > NAME_CHARACTERS_MAX {
        return Err(Refusal::of(Code::TooLong, "name").because(NAME_CHARACTERS_MAX.to_string()));
    }
    if name.chars().any(char::is_control) {
        return Err(Refusal::of(Code::ControlCharacter, "name"));
    }
    Ok(())
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
