//! Limits: within what time a step is done, by urgency and kind, and the named sets of them that places work by.
//!
//! They are data of the rulebook and never constants of the program: the rule a preset is named after may change.

use serde::Deserialize;

use fengqiao_proto::v1 as pb;

use crate::clock::Span;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$inner:meta])* $variant:ident = $text:literal, $chinese:literal;)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
        pub enum $name { $($(#[$inner])* #[serde(rename = $text)] $variant,)* }

        impl $name {
            /// All of them, in the order of the work.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The stable word, as in tables, entries and on the command line.
            #[must_use]
            pub const fn as_str(self) -> &'static str { match self { $(Self::$variant => $text,)* } }

            /// The word in Chinese.
            #[must_use]
            pub const fn chinese(self) -> &'static str { match self { $(Self::$variant => $chinese,)* } }

            /// What a word stands for.
            #[must_use]
            pub fn of(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|known| known.as_str() == word)
            }
        }
    };
}
pub(super) use words;

words! {
    /// A step of the work that has a clock; its word is the name of that clock.
    Step {
        /// From registration until the centre accepts or declines.
        Accept = "accept", "受理";
        /// What can be answered at the first contact.
        AnswerAtOnce = "answer-at-once", "即时答复";
        /// From acceptance until somebody is dispatched to.
        HandOver = "hand-over", "转办";
        /// From acceptance until the requester is told of it.
        Notify = "notify", "告知";
        /// From dispatch until the reply.
        Handling = "handling", "办理";
        /// From dispatch until the lead may still return it.
        Return = "return", "退回";
        /// From an offer until who is asked answers.
        Answer = "answer", "答复上报";
        /// From holding what was overtaken until it is adopted or declined.
        Annex = "annex", "附卷处理";
        /// From the reply until the return visit.
        Visit = "visit", "回访";
        /// From the order to do it again until the reply.
        Redo = "redo", "重办";
        /// From the reply until the requester may still ask for a review.
        ReviewRequest = "review-request", "申请复查";
        /// From that request until the review is answered.
        ReviewAnswer = "review-answer", "复查答复";
        /// From the review's answer until a re-review may still be asked for.
        RecheckRequest = "recheck-request", "申请复核";
        /// From that request until the re-review is answered.
        RecheckAnswer = "recheck-answer", "复核答复";
        /// From an agreement's effect until both parties may still ask the court to confirm it.
        Confirmation = "confirmation", "司法确认";
    }
}

words! {
    /// What sort of demand a class is.
    Kind {
        /// A question.
        Consultation = "consultation", "咨询类";
        /// What most are.
        Ordinary = "ordinary", "一般类";
        /// Several departments, or an inquiry.
        Complex = "complex", "疑难复杂类";
    }
}

words! {
    /// When a clock that ran out turns red.
    Red {
        /// The moment after the due time.
        AtOnce = "at-once", "到期即红";
        /// At the start of the first working day after it.
        FirstLateWorkingDay = "first-late-working-day", "逾期首个工作日起";
    }
}

/// One limit of a preset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// Step it is for.
    pub step: Step,
    /// The urgency it is for, or any.
    pub urgency: Option<pb::Urgency>,
    /// The kind of class it is for, or any.
    pub kind: Option<Kind>,
    /// How long the step may take; zero is at once.
    pub within: Span,
    /// How long before the due time the lamp turns amber; a share of the whole unless the rule says it.
    pub amber_before: Option<Span>,
    /// The most that all extensions together may add; `None` where no extension is granted.
    pub extension_max: Option<Span>,
    /// When it turns red.
    pub red: Red,
}

impl Limit {
    /// A limit for every case, without extension.
    #[must_use]
    pub(super) const fn of(step: Step, within: Span) -> Self {
        Self {
            step,
            urgency: None,
            kind: None,
            within,
            amber_before: None,
            extension_max: None,
            red: Red::AtOnce,
        }
    }

    fn fits(&self, step: Step, urgency: pb::Urgency, kind: Kind) -> bool {
        self.step == step
            && self.urgency.is_none_or(|named| named == urgency)
            && self.kind.is_none_or(|named| named == kind)
    }

    /// How much it names: of those that fit, the one that names most stands. Urgency weighs more than kind.
    fn weight(&self) -> (bool, bool) {
        (self.urgency.is_some(), self.kind.is_some())
    }
}

/// A named set of limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preset {
    /// Stable name.
    pub name: String,
    /// What a person reads in Chinese.
    pub title_zh: String,
    /// What a person reads in English.
    pub title_en: String,
    /// The limits; no two are for the same step, urgency and kind.
    pub limits: Vec<Limit>,
}

impl Preset {
    /// The limit of a step for a case of that urgency and a class of that kind, where the preset has one.
    #[must_use]
    pub fn limit(&self, step: Step, urgency: pb::Urgency, kind: Kind) -> Option<&Limit> {
        let fitting = self.limits.iter();
        fitting
            .filter(|limit| limit.fits(step, ordinary_unless_said(urgency), kind))
            .max_by_key(|limit| limit.weight())
    }
}

fn ordinary_unless_said(urgency: pb::Urgency) -> pb::Urgency {
    match urgency {
        pb::Urgency::Unspecified => pb::Urgency::Ordinary,
        said @ (pb::Urgency::Ordinary
        | pb::Urgency::Urgent
        | pb::Urgency::Emergency
        | pb::Urgency::Low) => said,
    }
}

/// The stable word of an urgency.
#[must_use]
pub fn urgency_word(urgency: pb::Urgency) -> &'static str {
    match ordinary_unless_said(urgency) {
        pb::Urgency::Unspecified | pb::Urgency::Ordinary => "ordinary",
        pb::Urgency::Urgent => "urgent",
        pb::Urgency::Emergency => "emergency",
        pb::Urgency::Low => "low",
    }
}
