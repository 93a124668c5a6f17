//! Reads rules.toml: working hours, presets, kinds of unit, and what centres below may set for themselves.
//!
//! The top's says everything. A centre below says only what it sets for itself, and its rules are laid over those from
//! above where these allow it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use fengqiao_proto::v1 as pb;
use serde::Deserialize;
use toml::Spanned;

use super::limit::{Kind, Limit, Preset, Red, Step, words};
use super::problem::{Part, Problem};
use crate::clock::{LocalTime, Span, SpanError, WorkingHours};

/// Name of the preset that is asked where a class's own says nothing.
pub(super) const DEFAULT: &str = "default";
/// Most presets of a rulebook.
const PRESETS_MAX: usize = 64;
/// Most limits of a preset.
const LIMITS_MAX: usize = 128;

words! {
    /// Something a centre may set for itself and those below it, where the rules above say so.
    Grant {
        /// Classes that belong to one from above.
        SubClasses = "sub-classes", "增设小类";
        /// The limits of a class from above: preset, grace, returns, answer and annex.
        ClassLimits = "class-limits", "调整类别时限";
        /// Presets of other names than those from above.
        Presets = "presets", "增设时限方案";
        /// Time zone and working hours.
        WorkingHours = "working-hours", "调整工作时间";
        /// Lists of days off.
        DaysOff = "days-off", "调整放假安排";
        /// Further kinds of unit.
        UnitKinds = "unit-kinds", "增设单位类型";
    }
}

/// The rules in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rules {
    pub(super) local: LocalTime,
    pub(super) by_hand_max: Span,
    pub(super) presets: BTreeMap<String, Arc<Preset>>,
    pub(super) unit_kinds: BTreeMap<String, String>,
    /// What centres below may set for themselves.
    pub(super) below: BTreeSet<Grant>,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            local: LocalTime::china(),
            by_hand_max: Span::days(0),
            presets: BTreeMap::new(),
            unit_kinds: BTreeMap::new(),
            below: BTreeSet::new(),
        }
    }
}

/// What one rules.toml says; each part may be missing.
#[derive(Debug)]
pub(super) struct RulesFile {
    local: Option<LocalTime>,
    by_hand_max: Option<Span>,
    presets: BTreeMap<String, (u64, Preset)>,
    unit_kinds: BTreeMap<String, String>,
    below: BTreeSet<Grant>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    local: Option<Spanned<WrittenLocal>>,
    by_hand: Option<WrittenByHand>,
    #[serde(default)]
    below: WrittenBelow,
    #[serde(default)]
    preset: Vec<Spanned<WrittenPreset>>,
    #[serde(default)]
    unit_kinds: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenLocal {
    utc_offset: String,
    working_hours: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenByHand {
    within_max: WrittenSpan,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct WrittenBelow {
    may_set: BTreeSet<Grant>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenPreset {
    name: String,
    title_zh: String,
    title_en: String,
    limits: Vec<Spanned<WrittenLimit>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenLimit {
    step: Step,
    urgency: Option<WrittenUrgency>,
    kind: Option<Kind>,
    within: WrittenSpan,
    amber_before: Option<WrittenSpan>,
    extension_max: Option<WrittenSpan>,
    red: Option<Red>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum WrittenUrgency {
    Low,
    Ordinary,
    Urgent,
    Emergency,
}

#[derive(Deserialize)]
#[serde(try_from = "String")]
struct WrittenSpan(Span);

impl TryFrom<String> for WrittenSpan {
    type Error = SpanError;

    fn try_from(text: String) -> Result<Self, SpanError> {
        text.parse().map(Self)
    }
}

/// Reads a text, or says all that is wrong with it.
pub(super) fn read(text: &str) -> Result<RulesFile, Vec<Problem>> {
    let written: Written = toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(0, |span| line_of(text, &span));
        vec![problem(line, "", error.message(), "内容不合规定格式")]
    })?;
    let mut problems = Vec::new();
    let local = written.local.and_then(|local| {
        let line = line_of(text, &local.span());
        let read = local_of(&local.into_inner());
        read.map_err(|found| problems.push(Problem { line, ..found }))
            .ok()
    });
    let presets = presets_of(text, written.preset, &mut problems);
    for (name, title) in &written.unit_kinds {
        if !is_name(name, b'_') || title.trim().is_empty() {
            problems.push(problem(
                0,
                format!("unit_kinds.{name}"),
                "a name is 1 to 64 of a-z, 0-9 and underscore, and has a title",
                "名称应为1至64个小写字母、数字或下划线，并须写明中文名",
            ));
        }
    }
    if problems.is_empty() {
        Ok(RulesFile {
            local,
            by_hand_max: written.by_hand.map(|by_hand| by_hand.within_max.0),
            presets,
            unit_kinds: written.unit_kinds,
            below: written.below.may_set,
        })
    } else {
        Err(problems)
    }
}

impl RulesFile {
    /// As the rules of the top, which say everything.
    pub(super) fn whole(self) -> Result<Rules, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut missing = |section: &str| {
            problems.push(problem(0, section, "the section is missing", "缺少此部分"));
        };
        if self.local.is_none() {
            missing("local");
        }
        if self.by_hand_max.is_none() {
            missing("by_hand");
        }
        if self.unit_kinds.is_empty() {
            missing("unit_kinds");
        }
        for step in [Step::Accept, Step::HandOver, Step::Answer, Step::Visit] {
            let default = self.presets.get(DEFAULT);
            let limit = default
                .and_then(|(_, preset)| preset.limit(step, pb::Urgency::Ordinary, Kind::Ordinary));
            if limit.is_none() {
                problems.push(problem(
                    0,
                    "preset",
                    format!("the preset `default` has no limit for {}", step.as_str()),
                    format!("default 方案缺少“{}”的时限", step.chinese()),
                ));
            }
        }
        match (self.local, self.by_hand_max) {
            (Some(local), Some(by_hand_max)) if problems.is_empty() => Ok(Rules {
                local,
                by_hand_max,
                presets: shared(self.presets),
                unit_kinds: self.unit_kinds,
                below: self.below,
            }),
            (_, _) => Err(problems),
        }
    }

    /// Laid over the rules from above, with what is passed over because they do not allow it.
    pub(super) fn over(self, above: &Rules) -> (Rules, Vec<Problem>) {
        let mut problems = Vec::new();
        let mut allowed = |grant: Grant, line: u64, field: &str| {
            let allowed = above.below.contains(&grant);
            if !allowed {
                problems.push(not_granted(Part::Rules, line, field, grant));
            }
            allowed
        };
        let mut rules = above.clone();
        if let Some(local) = self.local
            && allowed(Grant::WorkingHours, 0, "local")
        {
            rules.local = local;
        }
        if !self.unit_kinds.is_empty() && allowed(Grant::UnitKinds, 0, "unit_kinds") {
            for (name, title) in self.unit_kinds {
                rules.unit_kinds.entry(name).or_insert(title);
            }
        }
        let (line, any) = self
            .presets
            .values()
            .next()
            .map_or((0, false), |(line, _)| (*line, true));
        if any && allowed(Grant::Presets, line, "preset") {
            for (name, (line, preset)) in self.presets {
                if above.presets.contains_key(&name) {
                    problems.push(problem(
                        line,
                        "name",
                        format!("{name} is a preset from above"),
                        format!("“{name}”是上级的时限方案"),
                    ));
                } else {
                    rules.presets.insert(name, Arc::new(preset));
                }
            }
        }
        if self.by_hand_max.is_some() {
            problems.push(problem(
                0,
                "by_hand",
                "only the top says how far a due time set by hand may lie",
                "手工设定期限的上限只由最上级规定",
            ));
        }
        rules.below = self.below.intersection(&above.below).copied().collect();
        (rules, problems)
    }
}

/// Says that the rules above keep something for themselves.
pub(super) fn not_granted(part: Part, line: u64, field: &str, grant: Grant) -> Problem {
    Problem::at(
        part,
        line,
        field,
        format!(
            "the rules above do not allow {} below them ([below] may_set)",
            grant.as_str()
        ),
        format!("上级规则未允许下级{}（[below] may_set）", grant.chinese()),
    )
}

fn shared(presets: BTreeMap<String, (u64, Preset)>) -> BTreeMap<String, Arc<Preset>> {
    presets
        .into_iter()
        .map(|(name, (_, preset))| (name, Arc::new(preset)))
        .collect()
}

fn presets_of(
    text: &str,
    written: Vec<Spanned<WrittenPreset>>,
    problems: &mut Vec<Problem>,
) -> BTreeMap<String, (u64, Preset)> {
    if written.len() > PRESETS_MAX {
        let (english, chinese) = (
            format!("more than {PRESETS_MAX} presets"),
            format!("时限方案超过{PRESETS_MAX}个"),
        );
        problems.push(problem(0, "preset", english, chinese));
        return BTreeMap::new();
    }
    let mut presets = BTreeMap::new();
    for preset in written {
        let line = line_of(text, &preset.span());
        let preset = preset_of(text, line, preset.into_inner(), problems);
        if presets
            .insert(preset.name.clone(), (line, preset))
            .is_some()
        {
            problems.push(problem(
                line,
                "name",
                "two presets bear this name",
                "时限方案重名",
            ));
        }
    }
    presets
}

fn preset_of(text: &str, line: u64, written: WrittenPreset, problems: &mut Vec<Problem>) -> Preset {
    if !is_name(&written.name, b'-')
        || written.title_zh.trim().is_empty()
        || written.title_en.trim().is_empty()
    {
        problems.push(problem(
            line,
            "name",
            "a preset has a name of 1 to 64 of a-z, 0-9 and hyphen, and titles in both languages",
            "时限方案须有名称（1至64个小写字母、数字或连字符）和中英文标题",
        ));
    }
    if written.limits.is_empty() || written.limits.len() > LIMITS_MAX {
        problems.push(problem(
            line,
            "limits",
            format!("a preset has 1 to {LIMITS_MAX} limits"),
            format!("时限方案应有1至{LIMITS_MAX}项时限"),
        ));
    }
    let mut said = BTreeSet::new();
    let mut limits = Vec::new();
    for limit in written.limits {
        let line = line_of(text, &limit.span());
        let limit = limit_of(limit.into_inner());
        if !said.insert((limit.step, limit.urgency.map(i32::from), limit.kind)) {
            problems.push(problem(
                line,
                "step",
                "a limit for this step, urgency and kind stands already",
                "同一环节、紧急程度和类型已有时限",
            ));
        }
        if limit
            .amber_before
            .is_some_and(|amber| amber.longer_than(limit.within))
        {
            problems.push(problem(
                line,
                "amber_before",
                "amber begins before the clock does",
                "临期预警早于起算时间",
            ));
        }
        limits.push(limit);
    }
    Preset {
        name: written.name,
        title_zh: written.title_zh,
        title_en: written.title_en,
        limits,
    }
}

fn limit_of(written: WrittenLimit) -> Limit {
    Limit {
        step: written.step,
        urgency: written.urgency.map(|urgency| match urgency {
            WrittenUrgency::Low => pb::Urgency::Low,
            WrittenUrgency::Ordinary => pb::Urgency::Ordinary,
            WrittenUrgency::Urgent => pb::Urgency::Urgent,
            WrittenUrgency::Emergency => pb::Urgency::Emergency,
        }),
        kind: written.kind,
        within: written.within.0,
        amber_before: written.amber_before.map(|span| span.0),
        extension_max: written.extension_max.map(|span| span.0),
        red: written.red.unwrap_or(Red::AtOnce),
    }
}

fn local_of(written: &WrittenLocal) -> Result<LocalTime, Problem> {
    let offset_minutes = offset_of(&written.utc_offset).ok_or_else(|| {
        problem(
            0,
            "utc_offset",
            "an offset from UTC is written as +08:00",
            "时区偏移应写作 +08:00",
        )
    })?;
    let hours = written
        .working_hours
        .iter()
        .map(|text| hours_of(text))
        .collect::<Option<Vec<_>>>();
    let local = hours.map(|hours| LocalTime {
        offset_minutes,
        hours,
    });
    local.filter(|local| local.check().is_ok()).ok_or_else(|| {
        problem(
            0,
            "working_hours",
            "working hours are written as 08:30-12:00, in order, without overlap, up to 24:00",
            "工作时间应写作 08:30-12:00，按先后排列，互不重叠，最晚24:00",
        )
    })
}

fn offset_of(text: &str) -> Option<i32> {
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+')?),
    };
    Some(sign * i32::from(minute_of(rest)?)).filter(|minutes| minutes.abs() <= 18 * 60)
}

fn hours_of(text: &str) -> Option<WorkingHours> {
    let (from, until) = text.split_once('-')?;
    Some(WorkingHours {
        from_minute: minute_of(from.trim())?,
        until_minute: minute_of(until.trim())?,
    })
}

/// The minute after midnight of `hh:mm`, up to 24:00.
fn minute_of(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let two = |text: &str| {
        let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse::<u16>().ok()).flatten()
    };
    let (hour, minute) = (two(hour)?, two(minute)?);
    (minute < 60 && hour * 60 + minute <= 1440).then_some(hour * 60 + minute)
}

/// Whether a text is a stable name: 1 to 64 of a-z, 0-9 and the joint.
pub(super) fn is_name(text: &str, joint: u8) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == joint;
    !text.is_empty() && text.len() <= 64 && text.bytes().all(plain)
}

fn line_of(text: &str, span: &Range<usize>) -> u64 {
    let before = text.as_bytes().iter().take(span.start);
    let breaks = before.filter(|byte| **byte == b'\n').count();
    u64::try_from(breaks).unwrap_or(u64::MAX).saturating_add(1)
}

fn problem(
    line: u64,
    field: impl Into<String>,
    english: impl Into<String>,
    chinese: impl Into<String>,
) -> Problem {
    Problem::at(Part::Rules, line, field, english, chinese)
}
