//! A class that travels: written into the first entry of a case for centres whose rulebook does not have it.

use std::sync::Arc;

use fengqiao_proto::v1 as pb;

use super::class::Class;
use super::limit::{Kind, Limit, Preset, Red, Step, urgency_word};
use super::rules::is_name;
use crate::clock::{SPAN_DAYS_MAX, Span};
use crate::rank::level;

/// Most limits of a preset that travels.
const LIMITS_MAX: usize = 128;
/// Longest name or title, bytes.
const TITLE_BYTES_MAX: usize = 256;
/// Most returns before a unit is designated.
const RETURNS_MAX: u32 = 99;

/// The definition of a class.
pub(super) fn of_class(class: &Class) -> pb::ClassDefinition {
    let span = |span: Option<Span>| span.map(|span| span.to_string()).unwrap_or_default();
    pb::ClassDefinition {
        id: class.id.clone(),
        parent: class.parent.clone(),
        name_zh: class.name_zh.clone(),
        name_en: class.name_en.clone(),
        lead_unit_kind: class.lead_unit_kind.clone(),
        kind: class.kind.as_str().to_owned(),
        level_lowest: class.level_lowest,
        preset: Some(of_preset(&class.preset)),
        grace_minutes: class.grace_minutes,
        returns_max: class.returns_max,
        answer_within: span(class.answer_within),
        annex_within: span(class.annex_within),
    }
}

fn of_preset(preset: &Preset) -> pb::PresetDefinition {
    let limit = |limit: &Limit| pb::LimitDefinition {
        step: limit.step.as_str().to_owned(),
        urgency: limit
            .urgency
            .map(|urgency| urgency_word(urgency).to_owned())
            .unwrap_or_default(),
        kind: limit
            .kind
            .map(|kind| kind.as_str().to_owned())
            .unwrap_or_default(),
        within: limit.within.to_string(),
        amber_before: limit
            .amber_before
            .map(|span| span.to_string())
            .unwrap_or_default(),
        extension_max: limit
            .extension_max
            .map(|span| span.to_string())
            .unwrap_or_default(),
        red: limit.red.as_str().to_owned(),
    };
    pb::PresetDefinition {
        name: preset.name.clone(),
        title_zh: preset.title_zh.clone(),
        title_en: preset.title_en.clone(),
        limits: preset.limits.iter().map(limit).collect(),
    }
}

/// The class of a definition that another node wrote; `None` when it is not sound or has no limit for the handling.
pub(super) fn read(written: &pb::ClassDefinition) -> Option<Class> {
    let title = |text: &String| {
        let sound = !text.is_empty()
            && text.len() <= TITLE_BYTES_MAX
            && !text.chars().any(char::is_control);
        sound.then(|| text.clone())
    };
    let named = is_name(&written.id, b'-')
        && (written.parent.is_empty() || is_name(&written.parent, b'-'))
        && is_name(&written.lead_unit_kind, b'_');
    let bounded = (level::PROVINCE..=level::VILLAGE).contains(&written.level_lowest)
        && written.grace_minutes <= SPAN_DAYS_MAX * 24 * 60
        && written.returns_max <= RETURNS_MAX;
    if !named || !bounded {
        return None;
    }
    let preset = written.preset.as_ref()?;
    if preset.limits.len() > LIMITS_MAX || !is_name(&preset.name, b'-') {
        return None;
    }
    let limits = preset
        .limits
        .iter()
        .map(read_limit)
        .collect::<Option<Vec<_>>>()?;
    let preset = Preset {
        name: preset.name.clone(),
        title_zh: title(&preset.title_zh)?,
        title_en: title(&preset.title_en)?,
        limits,
    };
    let for_all = preset.limits.iter().any(|limit| {
        limit.step == Step::Handling && limit.urgency.is_none() && limit.kind.is_none()
    });
    for_all.then_some(Class {
        id: written.id.clone(),
        parent: written.parent.clone(),
        name_zh: title(&written.name_zh)?,
        name_en: title(&written.name_en)?,
        lead_unit_kind: written.lead_unit_kind.clone(),
        kind: Kind::of(&written.kind)?,
        level_lowest: written.level_lowest,
        preset: Arc::new(preset),
        grace_minutes: written.grace_minutes,
        returns_max: written.returns_max,
        answer_within: span(&written.answer_within)?,
        annex_within: span(&written.annex_within)?,
        is_group: false,
    })
}

fn read_limit(written: &pb::LimitDefinition) -> Option<Limit> {
    let urgency = match written.urgency.as_str() {
        "" => None,
        word => {
            let all = [
                pb::Urgency::Low,
                pb::Urgency::Ordinary,
                pb::Urgency::Urgent,
                pb::Urgency::Emergency,
            ];
            Some(all.into_iter().find(|known| urgency_word(*known) == word)?)
        }
    };
    let kind = match written.kind.as_str() {
        "" => None,
        word => Some(Kind::of(word)?),
    };
    Some(Limit {
        step: Step::of(&written.step)?,
        urgency,
        kind,
        within: written.within.parse().ok()?,
        amber_before: span(&written.amber_before)?,
        extension_max: span(&written.extension_max)?,
        red: Red::of(&written.red)?,
    })
}

/// A span that may be missing; `None` when the text is none.
#[expect(
    clippy::option_option,
    reason = "unreadable and missing are two things"
)]
fn span(text: &str) -> Option<Option<Span>> {
    match text {
        "" => Some(None),
        text => text.parse().ok().map(Some),
    }
}
