//! The morning: what waits for whom, as counts that lead into the lists, and the most urgent cases.

use askama::Template;

use super::visit::{Answer, Inside, Visit, shown};
use super::words;
use super::work::{Row, WAITING, Waiting, Work};

/// Cases shown at once.
const ROWS: usize = 12;

/// One count: how many, of what, where they are, how it looks.
struct Count {
    number: usize,
    words: String,
    link: String,
    look: &'static str,
}

#[derive(Template)]
#[template(path = "today.html")]
struct TodayPage<'a> {
    visit: &'a Visit,
    day: String,
    counts: Vec<Count>,
    rows: Vec<Row>,
    mine: usize,
    more: bool,
    registers: bool,
}

pub(super) async fn page(inside: Inside) -> Answer {
    let visit = &inside.visit;
    let work = Work::gather(&inside, false)
        .await
        .map_err(|told| visit.refuse(&told))?;
    let counts = counts(visit, &work.rows);
    let more = work.more;
    let mut rows: Vec<Row> = work.rows.into_iter().filter(|row| row.mine).collect();
    let mine = rows.len();
    rows.truncate(ROWS);
    Ok(shown(&TodayPage {
        visit,
        day: words::day(visit.now().0, visit.house.zone_minutes, visit.english),
        counts,
        rows,
        mine,
        more,
        registers: visit.has("clerk") && inside.clerk.unit.is_none(),
    }))
}

fn counts(visit: &Visit, rows: &[Row]) -> Vec<Count> {
    let number = |of: &dyn Fn(&Row) -> bool| rows.iter().filter(|row| of(row)).count();
    let count = |number: usize, (zh, en): (&str, &str), link: &str, look: &'static str| Count {
        number,
        words: visit.say(zh, en).to_owned(),
        link: format!("/cases?tab=open&{link}"),
        look: if number == 0 { "" } else { look },
    };
    let mut counts = vec![
        count(
            number(&|row| row.case.lamp == "red"),
            ("已超期", "overdue"),
            "lamp=red",
            "red",
        ),
        count(
            number(&|row| row.due_today),
            ("今日到期", "due today"),
            "day=today",
            "amber",
        ),
        count(
            number(&|row| row.new_today),
            ("今日新登记", "new today"),
            "day=new",
            "",
        ),
    ];
    let always = [Waiting::SignFor, Waiting::Approval, Waiting::Visit];
    for waits in WAITING {
        let waiting = number(&|row| row.waits == Some(waits));
        // Work under way is no reminder, and a count of nothing is shown for what people look for each day only.
        if waits != Waiting::Handle && (waiting > 0 || always.contains(&waits)) {
            counts.push(count(
                waiting,
                waits.words(),
                &format!("waits={}", waits.word()),
                "",
            ));
        }
    }
    counts
}
