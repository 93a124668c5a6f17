//! Clock presets: the limits that places and procedures work by, as data with names.
//!
//! The spans are those of the rules each preset is named after; amber leads are this project's
//! default except in `shandong-2017`, whose rule names one.

use thiserror::Error;

use super::span::Span;

/// How the stages of a preset relate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Course {
    /// Each stage starts its own clock at its own event, one after another.
    InTurn,
    /// One stage is chosen for the case, by urgency or kind.
    OneOf,
}

/// One limit of a preset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stage {
    /// The stable name, unique in its preset.
    pub name: &'static str,
    /// What a person reads in Chinese.
    pub name_zh: &'static str,
    /// What a person reads in English.
    pub name_en: &'static str,
    /// How long the stage may take; zero means at once.
    pub span: Span,
    /// How long before the due time the lamp turns amber.
    pub amber_before: Span,
    /// The most that all extensions together may add; nothing means none is granted.
    pub extension_max: Option<Span>,
}

/// A named set of limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockPreset {
    /// The stable name.
    pub name: &'static str,
    /// What a person reads in Chinese.
    pub title_zh: &'static str,
    /// What a person reads in English.
    pub title_en: &'static str,
    /// How the stages relate.
    pub course: Course,
    /// The limits, in order of the work or of urgency.
    pub stages: &'static [Stage],
    /// The stage a dispatch starts unless it names another.
    pub dispatch_stage: &'static str,
    /// Within what time of its dispatch a case may be returned with a reason; nothing means no limit is set.
    pub return_within: Option<Span>,
}

/// A name that no preset has; says the known ones.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("no clock preset is called {name:?}; known are: {}", known_names())]
pub struct UnknownPreset {
    /// The name asked for.
    pub name: String,
}

/// A name that no stage of the preset has; says the known ones.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("clock preset {preset} has no stage {name:?}; known are: {known}")]
pub struct UnknownStage {
    /// The preset asked.
    pub preset: &'static str,
    /// The name asked for.
    pub name: String,
    /// The names it has.
    pub known: String,
}

/// The preset of that exact name.
///
/// # Errors
/// [`UnknownPreset`], which lists the known names.
pub fn preset(name: &str) -> Result<&'static ClockPreset, UnknownPreset> {
    let found = PRESETS.iter().find(|preset| preset.name == name);
    found.ok_or_else(|| UnknownPreset {
        name: name.to_owned(),
    })
}

impl ClockPreset {
    /// The stage of that exact name.
    ///
    /// # Errors
    /// [`UnknownStage`], which lists the known names.
    pub fn stage(&self, name: &str) -> Result<&'static Stage, UnknownStage> {
        let stages: &'static [Stage] = self.stages;
        stages
            .iter()
            .find(|stage| stage.name == name)
            .ok_or_else(|| UnknownStage {
                preset: self.name,
                name: name.to_owned(),
                known: stages
                    .iter()
                    .map(|stage| stage.name)
                    .collect::<Vec<_>>()
                    .join(", "),
            })
    }
}

fn known_names() -> String {
    PRESETS
        .iter()
        .map(|preset| preset.name)
        .collect::<Vec<_>>()
        .join(", ")
}

const NONE: Span = Span::CalendarTime { minutes: 0 };

const fn stage(
    name: &'static str,
    names: (&'static str, &'static str),
    span: Span,
    amber_before: Span,
) -> Stage {
    Stage {
        name,
        name_zh: names.0,
        name_en: names.1,
        span,
        amber_before,
        extension_max: None,
    }
}

impl Stage {
    const fn extended_by(mut self, span: Span) -> Self {
        self.extension_max = Some(span);
        self
    }
}

/// Every preset, in the order in which a person is offered them.
pub const PRESETS: &[ClockPreset] = &[
    ClockPreset {
        name: "dezhou-333",
        title_zh: "德州三三制",
        title_en: "Dezhou three-three rule",
        course: Course::InTurn,
        stages: &[
            stage("answer", ("即时答复", "answer at once"), NONE, NONE),
            stage(
                "hand_over",
                ("3小时转办", "hand over within 3 hours"),
                Span::hours(3),
                Span::hours(1),
            ),
            stage(
                "solve",
                ("3日办结", "solve within 3 days"),
                Span::days(3),
                Span::days(1),
            ),
        ],
        dispatch_stage: "solve",
        return_within: None,
    },
    ClockPreset {
        name: "shandong-2020",
        title_zh: "山东2020（5个工作日）",
        title_en: "Shandong 2020 (5 working days)",
        course: Course::InTurn,
        stages: &[stage(
            "handle",
            ("办理", "handle"),
            Span::working_days(5),
            Span::working_days(1),
        )
        .extended_by(Span::working_days(10))],
        dispatch_stage: "handle",
        return_within: Some(Span::working_days(2)),
    },
    ClockPreset {
        name: "shandong-2017",
        title_zh: "山东2017（15个工作日）",
        title_en: "Shandong 2017 (15 working days)",
        course: Course::InTurn,
        stages: &[stage(
            "handle",
            ("办理", "handle"),
            Span::working_days(15),
            Span::working_days(1),
        )
        .extended_by(Span::working_days(7))],
        dispatch_stage: "handle",
        return_within: None,
    },
    ClockPreset {
        name: "beijing-2020",
        title_zh: "北京2020（按紧急程度）",
        title_en: "Beijing 2020 (by urgency)",
        course: Course::OneOf,
        stages: &[
            stage(
                "within_2_hours",
                ("2小时", "2 hours"),
                Span::hours(2),
                Span::CalendarTime { minutes: 30 },
            ),
            stage(
                "within_24_hours",
                ("24小时", "24 hours"),
                Span::hours(24),
                Span::hours(4),
            ),
            stage(
                "within_7_days",
                ("7天", "7 days"),
                Span::days(7),
                Span::days(1),
            ),
            stage(
                "within_15_days",
                ("15天", "15 days"),
                Span::days(15),
                Span::days(2),
            ),
        ],
        dispatch_stage: "within_7_days",
        return_within: None,
    },
    ClockPreset {
        name: "guangdong-2022",
        title_zh: "广东2022（按事项类型）",
        title_en: "Guangdong 2022 (by kind)",
        course: Course::OneOf,
        stages: &[
            stage(
                "within_2",
                ("2个工作日", "2 working days"),
                Span::working_days(2),
                Span::working_days(1),
            ),
            stage(
                "within_10",
                ("10个工作日", "10 working days"),
                Span::working_days(10),
                Span::working_days(2),
            ),
            stage(
                "within_15",
                ("15个工作日", "15 working days"),
                Span::working_days(15),
                Span::working_days(2),
            ),
        ],
        dispatch_stage: "within_10",
        return_within: None,
    },
    ClockPreset {
        name: "petition-2022",
        title_zh: "信访工作条例2022",
        title_en: "Petition regulations 2022",
        course: Course::InTurn,
        stages: &[
            stage(
                "register",
                ("登记", "register"),
                Span::days(15),
                Span::days(3),
            ),
            stage("notify", ("告知", "notify"), Span::days(15), Span::days(3)),
            stage("handle", ("办理", "handle"), Span::days(60), Span::days(7))
                .extended_by(Span::days(30)),
            stage("review", ("复查", "review"), Span::days(30), Span::days(5))
                .extended_by(Span::days(30)),
            stage(
                "recheck",
                ("复核", "re-review"),
                Span::days(30),
                Span::days(5),
            )
            .extended_by(Span::days(30)),
        ],
        dispatch_stage: "handle",
        return_within: Some(Span::working_days(5)),
    },
    ClockPreset {
        name: "mediation",
        title_zh: "人民调解（司法确认）",
        title_en: "People's mediation (judicial confirmation)",
        course: Course::InTurn,
        stages: &[stage(
            "confirmation",
            ("申请司法确认", "apply for judicial confirmation"),
            Span::days(30),
            Span::days(5),
        )],
        dispatch_stage: "confirmation",
        return_within: None,
    },
];
