//! Classes by what people call them: id, Chinese or English name. A name that several bear is told with all of them, one
//! that nobody bears with those most like it.

use crate::name::{likeness, nearest};
use crate::refusal::{Code, Refusal};

use super::{Class, Rulebook};

/// Classes told at most where a name stands for several, or for none.
const CHOICES_MAX: usize = 10;

impl Class {
    /// All that people call it.
    fn names(&self) -> [&str; 3] {
        [&self.id, &self.name_zh, &self.name_en]
    }
}

impl Rulebook {
    /// A class as people call it.
    ///
    /// # Errors
    /// `NAME_AMBIGUOUS` with the choices; `CLASS_UNKNOWN` with those most like it.
    pub fn class_called(&self, text: &str) -> Result<&Class, Refusal> {
        const FIELD: &str = "class";
        let known = self.class(text);
        if known.is_ok() || self.is_empty() {
            return known;
        }
        let called = likeness(text);
        let bearing = |bears: &dyn Fn(&str) -> bool| -> Vec<&Class> {
            let classes = self.classes();
            classes
                .filter(|class| class.names().iter().any(|name| bears(name)))
                .collect()
        };
        match bearing(&|name| likeness(name) == called)[..] {
            [one] => Ok(one),
            [] => {
                let like = nearest(text, self.classes().flat_map(Class::names));
                let like = bearing(&|name| like.iter().any(|near| near == name));
                Err(Refusal::of(Code::ClassUnknown, FIELD).with_choices(told(&like)))
            }
            ref several => Err(Refusal::of(Code::NameAmbiguous, FIELD).with_choices(told(several))),
        }
    }
}

fn told(classes: &[&Class]) -> Vec<String> {
    let told = classes.iter().take(CHOICES_MAX);
    told.map(|class| format!("{} {}", class.name_zh, class.id))
        .collect()
}
