//! Personal data in transit through the program: it prints as a placeholder, always.

use std::fmt;

/// Something about a person. Neither `Debug` nor `Display` ever shows it.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Private<T>(T);

impl<T> Private<T> {
    /// Wraps personal data.
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// Opens it; the caller answers for where it goes.
    pub fn reveal(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Private<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[private]")
    }
}

impl<T> fmt::Display for Private<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[private]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_prints_it_sees_a_placeholder() {
        let name = Private::new("李建国");
        assert_eq!(
            format!("{name} {name:?} {:?}", Some(&name)),
            "[private] [private] Some([private])"
        );
        assert_eq!(*name.reveal(), "李建国");
    }
}
