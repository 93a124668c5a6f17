//! Words of the pages for what the wire says in stable words.

use fengqiao_hub::case::Stage;
use fengqiao_hub::clock::Moment;
use fengqiao_proto::v1 as pb;
use jiff::Timestamp;
use jiff::tz::Offset;
use pb::Role;

use crate::app::actions::{choices, pool};

/// A label of a descriptor, without what it further tells on a command line.
pub(super) fn brief(label: &str) -> &str {
    label.split([':', ';', ',']).next().unwrap_or(label)
}

/// A lamp's word.
pub(super) fn lamp(lamp: &str, english: bool) -> &'static str {
    let (zh, en) = match lamp {
        "green" => ("正常", "on time"),
        "amber" => ("临期", "due soon"),
        "red" => ("超期", "overdue"),
        "grey" => ("失联", "not reached"),
        _ => ("不计时", "no clock"),
    };
    if english { en } else { zh }
}

/// A stage's word.
pub(super) fn stage(stage: &str, english: bool) -> String {
    match Stage::of_word(stage) {
        Some(known) if !english => known.chinese().to_owned(),
        Some(_) | None => stage.replace('-', " "),
    }
}

/// What a clock is for.
pub(super) fn clock(clock: &str, english: bool) -> String {
    let (zh, en) = match clock {
        "accept" => ("受理", "accept"),
        "hand-over" => ("分流交办", "hand over"),
        "handling" => ("办理", "handle"),
        "answer" => ("上级答复", "answer from above"),
        "visit" => ("回访", "return visit"),
        "task" => ("联动任务", "task"),
        "annex" => ("附卷处理", "annex"),
        "return" => ("退回", "return"),
        other => return other.to_owned(),
    };
    if english {
        en.to_owned()
    } else {
        zh.to_owned()
    }
}

/// A value of a list on the wire, by its stable word.
pub(super) fn value(list: &str, word: &str, english: bool) -> String {
    let list = pool().get_enum_by_name(&format!("fengqiao.v1.{list}"));
    let known = list
        .iter()
        .flat_map(choices)
        .find(|choice| choice.word == word);
    known.map_or_else(
        || word.to_owned(),
        |choice| {
            if english {
                choice.words.en
            } else {
                choice.words.zh
            }
        },
    )
}

/// The stable word of a role.
pub(super) fn role_word(role: Role) -> &'static str {
    match role {
        Role::Clerk => "clerk",
        Role::Handler => "handler",
        Role::Approver => "approver",
        Role::Leader => "leader",
        Role::Administrator => "administrator",
        Role::Unspecified => "",
    }
}

/// A role.
pub(super) fn role(role: Role, english: bool) -> &'static str {
    if english {
        return role_word(role);
    }
    match role {
        Role::Clerk => "受理员",
        Role::Handler => "承办人",
        Role::Approver => "审核人",
        Role::Leader => "领导",
        Role::Administrator => "管理员",
        Role::Unspecified => "",
    }
}

/// A kind of unit.
pub(super) fn unit_kind(kind: pb::UnitKind, english: bool) -> &'static str {
    let (zh, en) = match kind {
        pb::UnitKind::Unspecified => ("", ""),
        pb::UnitKind::Department => ("部门", "department"),
        pb::UnitKind::MassOrganisation => ("群团组织", "mass organisation"),
        pb::UnitKind::SocialOrganisation => ("社会组织", "social organisation"),
        pb::UnitKind::Centre => ("中心", "centre"),
        pb::UnitKind::MediationCommittee => ("调解委员会", "mediation committee"),
    };
    if english { en } else { zh }
}

/// What a sealed text is, by its role.
pub(super) fn text(role: &str, english: bool) -> &str {
    let (zh, en) = match role {
        "text" => ("内容", "text"),
        "reason" => ("理由", "reason"),
        "evidence" => ("办理情况", "what was done"),
        "opinion" => ("意见", "opinion"),
        "reply" => ("答复", "reply"),
        "place" => ("地点", "where"),
        "answer" => ("答复", "answer"),
        "minutes" => ("会议记录", "minutes"),
        "remedy" => ("救济途径", "remedy"),
        "requester" => ("诉求人", "requester"),
        other => (other, other),
    };
    if english { en } else { zh }
}

/// Where an entry stands.
pub(super) fn standing(standing: i32, english: bool) -> &'static str {
    let (zh, en) = match pb::Standing::try_from(standing).unwrap_or_default() {
        pb::Standing::Unspecified => ("", ""),
        pb::Standing::StoredHere => ("本级已保存", "stored here"),
        pb::Standing::AtParent => ("上级已保存", "stored at the parent"),
        pb::Standing::AtTop => ("最上级已保存", "stored at the top"),
    };
    if english { en } else { zh }
}

/// A moment as a clock on the wall shows it: by the day where that is near, with the year where that is another.
pub(super) fn time(ms: i64, now: Moment, zone_minutes: i32, english: bool) -> String {
    let (Some(then), Some(today)) = (local(ms, zone_minutes), local(now.0, zone_minutes)) else {
        return String::new();
    };
    if ms == 0 {
        return String::new();
    }
    let clock = format!("{:02}:{:02}", then.hour(), then.minute());
    let days = then
        .date()
        .since(today.date())
        .map_or(99, |span| i64::from(span.get_days()));
    let near = match days {
        0 => Some(("今日", "today")),
        1 => Some(("明日", "tomorrow")),
        -1 => Some(("昨日", "yesterday")),
        _ => None,
    };
    if let Some((zh, en)) = near {
        return format!("{} {clock}", if english { en } else { zh });
    }
    let same_year = then.year() == today.year();
    if english {
        let month = then.strftime("%b").to_string();
        let year = if same_year {
            String::new()
        } else {
            format!(" {}", then.year())
        };
        return format!("{} {month}{year} {clock}", then.day());
    }
    let year = if same_year {
        String::new()
    } else {
        format!("{}年", then.year())
    };
    format!("{year}{}月{}日 {clock}", then.month(), then.day())
}

/// The day, in full.
pub(super) fn day(ms: i64, zone_minutes: i32, english: bool) -> String {
    let Some(day) = local(ms, zone_minutes) else {
        return String::new();
    };
    if english {
        return day.strftime("%A, %-d %B %Y").to_string();
    }
    const WEEK: [&str; 7] = ["一", "二", "三", "四", "五", "六", "日"];
    let offset = usize::try_from(day.weekday().to_monday_zero_offset()).unwrap_or_default();
    let week = WEEK.get(offset).copied().unwrap_or_default();
    format!(
        "{}年{}月{}日 星期{week}",
        day.year(),
        day.month(),
        day.day()
    )
}

/// A moment as a date field of a form holds it.
pub(super) fn field_time(ms: i64, zone_minutes: i32) -> String {
    local(ms, zone_minutes).map_or_else(String::new, |then| {
        then.strftime("%Y-%m-%dT%H:%M").to_string()
    })
}

/// Reads what a date field of a form holds: `2023-03-01T20:00`, as a clock on the wall shows it.
pub(super) fn read_field_time(text: &str, zone_minutes: i32) -> Option<i64> {
    let text = text.trim().replace(' ', "T");
    let (sign, minutes) = (if zone_minutes < 0 { '-' } else { '+' }, zone_minutes.abs());
    let seconds = if text.len() == 16 { ":00" } else { "" };
    let whole = format!(
        "{text}{seconds}{sign}{:02}:{:02}",
        minutes / 60,
        minutes % 60
    );
    let moment = Moment::parse_rfc3339(&whole).ok()?;
    (moment.0 > 0).then_some(moment.0)
}

/// The date on the wall.
pub(super) fn local(ms: i64, zone_minutes: i32) -> Option<jiff::civil::DateTime> {
    let offset = Offset::from_seconds(zone_minutes.checked_mul(60)?).ok()?;
    Some(offset.to_datetime(Timestamp::from_millisecond(ms).ok()?))
}

/// A text as a part of a query.
pub(super) fn encoded(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing into a string does not fail.
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHINA: i32 = 480;

    #[test]
    fn a_time_is_told_by_the_day_where_it_is_near() {
        let now = Moment::parse_rfc3339("2023-03-02T08:00:00+08:00").unwrap_or_default();
        let table = [
            ("2023-03-02T17:30:00+08:00", "今日 17:30", "today 17:30"),
            ("2023-03-03T00:00:00+08:00", "明日 00:00", "tomorrow 00:00"),
            ("2023-03-01T23:59:00+08:00", "昨日 23:59", "yesterday 23:59"),
            ("2023-03-16T09:05:00+08:00", "3月16日 09:05", "16 Mar 09:05"),
            (
                "2022-12-31T09:05:00+08:00",
                "2022年12月31日 09:05",
                "31 Dec 2022 09:05",
            ),
        ];
        for (then, zh, en) in table {
            let then = Moment::parse_rfc3339(then).unwrap_or_default().0;
            assert_eq!(time(then, now, CHINA, false), zh);
            assert_eq!(time(then, now, CHINA, true), en);
        }
        assert_eq!(day(now.0, CHINA, false), "2023年3月2日 星期四");
    }

    #[test]
    fn a_date_field_reads_back_what_it_was_given() {
        let ms = 1_677_672_000_000;
        assert_eq!(field_time(ms, CHINA), "2023-03-01T20:00");
        assert_eq!(read_field_time("2023-03-01T20:00", CHINA), Some(ms));
        assert_eq!(read_field_time("2023-03-01 20:00", CHINA), Some(ms));
        for wrong in ["", "2023-02-30T20:00", "tomorrow", "2023-03-01"] {
            assert_eq!(read_field_time(wrong, CHINA), None, "{wrong}");
        }
    }

    #[test]
    fn what_goes_into_a_query_stays_one_part_of_it() {
        assert_eq!(
            encoded("/cases?tab=open&x=a b"),
            "/cases%3Ftab%3Dopen%26x%3Da%20b"
        );
    }
}
