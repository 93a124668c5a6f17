//! Official division codes.

/// An official division code: 2, 4, 6, 9 or 12 digits, each tier's code starting with its parent's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Code(String);

/// Why a text is no division code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// A character is not a digit.
    #[error("a division code holds digits only")]
    NotDigits,
    /// The length is not one in use.
    #[error("a division code has 2, 4, 6, 9 or 12 digits, not {0}")]
    Length(usize),
}

impl std::str::FromStr for Code {
    type Err = CodeError;

    fn from_str(text: &str) -> Result<Self, CodeError> {
        if !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(CodeError::NotDigits);
        }
        match text.len() {
            2 | 4 | 6 | 9 | 12 => Ok(Self(text.to_owned())),
            other => Err(CodeError::Length(other)),
        }
    }
}

impl Code {
    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
