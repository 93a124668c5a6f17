//! The language of the person at the terminal: of `--lang`, or of the locale.

/// A language that messages are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Language {
    /// Chinese (中文)
    Zh,
    /// English (英文)
    En,
}

impl Language {
    /// That of a locale such as `zh_CN.UTF-8`; English where it says nothing.
    #[must_use]
    pub fn of_locale(locale: &str) -> Self {
        if locale.to_ascii_lowercase().starts_with("zh") {
            Self::Zh
        } else {
            Self::En
        }
    }
}

/// That of the first of `LC_ALL`, `LC_MESSAGES`, `LANG` that is set.
#[must_use]
pub(super) fn of_surroundings() -> Language {
    let set = |name: &&str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let locale = ["LC_ALL", "LC_MESSAGES", "LANG"].iter().find_map(set);
    Language::of_locale(&locale.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locale_names_its_language() {
        for (locale, language) in [
            ("zh_CN.UTF-8", Language::Zh),
            ("zh-Hans", Language::Zh),
            ("ZH_cn", Language::Zh),
            ("en_US.UTF-8", Language::En),
            ("C", Language::En),
            ("", Language::En),
        ] {
            assert_eq!(Language::of_locale(locale), language, "{locale}");
        }
    }
}
