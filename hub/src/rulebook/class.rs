//! Reads classes.csv, the dispatch catalogue: what may be asked for, who leads, how low it may go, which clock runs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::limit::{Kind, Preset, Step};
use super::problem::{Part, Problem};
use super::rules::{Grant, Rules, is_name, not_granted};
use crate::clock::{SPAN_DAYS_MAX, Span};
use crate::rank::Level;
use crate::rank::level;

/// Most classes of a catalogue.
pub const CLASSES_MAX: usize = 4_096;
/// Bytes of a name.
const NAME_BYTES_MAX: usize = 256;
/// Most returns before a unit is designated.
const RETURNS_MAX: u32 = 99;

const COLUMNS: [&str; 9] = [
    "id",
    "parent",
    "name_zh",
    "name_en",
    "lead_unit_kind",
    "level_lowest",
    "clock_preset",
    "escalation_grace_minutes",
    "returns_max",
];

/// Columns that may be missing, and whose cells may be empty.
const COLUMNS_OPTIONAL: [&str; 3] = ["answer_within", "annex_within", "kind"];

/// One class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Class {
    /// Stable name.
    pub id: String,
    /// Class it belongs to, or empty.
    pub parent: String,
    /// Name in Chinese.
    pub name_zh: String,
    /// Name in English.
    pub name_en: String,
    /// The one kind of department that leads, a name of the rulebook's list.
    pub lead_unit_kind: String,
    /// What sort of demand it is.
    pub kind: Kind,
    /// Deepest level a case of this class may be dispatched to.
    pub level_lowest: Level,
    /// Its limits.
    pub preset: Arc<Preset>,
    /// How long past its due time a case may stay before the tier above may take it, minutes.
    pub grace_minutes: u32,
    /// How often a case may be returned before a unit must be designated.
    pub returns_max: u32,
    /// How long the parent may take to answer an offer, where the catalogue says so.
    pub answer_within: Option<Span>,
    /// How long an annex entry may wait to be adopted or declined, where the catalogue says so.
    pub annex_within: Option<Span>,
    /// Whether other classes belong to it: then a case is of one of those.
    pub is_group: bool,
}

/// What one classes.csv says: sound rows by id with their lines, and what is wrong with the others.
#[derive(Debug)]
pub(super) struct ClassesFile {
    rows: BTreeMap<String, (u64, Class)>,
    problems: Vec<Problem>,
}

/// Reads a table, one row a class, under the rules in force.
pub(super) fn read(text: &str, rules: &Rules) -> ClassesFile {
    let mut file = ClassesFile {
        rows: BTreeMap::new(),
        problems: Vec::new(),
    };
    let text = text.trim_start_matches('\u{feff}');
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let columns = match reader.headers() {
        Ok(headers) => columns_of(headers),
        Err(error) => Err(vec![unreadable(&error)]),
    };
    let columns = match columns {
        Ok(columns) => columns,
        Err(problems) => {
            file.problems = problems;
            return file;
        }
    };
    for record in reader.records() {
        match record {
            Ok(record) => file.take(&record, &columns, rules),
            Err(error) => file.problems.push(unreadable(&error)),
        }
        if file.rows.len() > CLASSES_MAX {
            file.problems.push(problem(
                0,
                "",
                format!("more than {CLASSES_MAX} classes"),
                format!("类别超过{CLASSES_MAX}个"),
            ));
            break;
        }
    }
    if file.rows.is_empty() && file.problems.is_empty() {
        let none = problem(0, "", "there is no class", "没有类别");
        file.problems.push(none);
    }
    file
}

impl ClassesFile {
    fn take(&mut self, record: &csv::StringRecord, columns: &Columns, rules: &Rules) {
        let line = record.position().map_or(0, csv::Position::line);
        let row = Row {
            line,
            record,
            columns,
        };
        match row.class(rules) {
            Err(mut found) => self.problems.append(&mut found),
            Ok(class) => match self.rows.get(&class.id) {
                Some((first, _)) => self.problems.push(row.wrong(
                    "id",
                    format!("the class stands in line {first} already"),
                    format!("类别与第{first}行重复"),
                )),
                None => {
                    self.rows.insert(class.id.clone(), (line, class));
                }
            },
        }
    }

    /// As the catalogue of the top: all of it sound, or all that is wrong.
    pub(super) fn whole(mut self) -> Result<BTreeMap<String, Class>, Vec<Problem>> {
        let classes: BTreeMap<String, Class> = self.classes();
        for (line, class) in self.rows.values() {
            self.problems.extend(misplaced(class, *line, &classes));
        }
        if self.problems.is_empty() {
            Ok(grouped(classes))
        } else {
            Err(self.problems)
        }
    }

    /// Laid over the classes from above, row by row, with what is passed over; says which classes are its own.
    pub(super) fn over(
        mut self,
        above: &BTreeMap<String, Class>,
        granted: &BTreeSet<Grant>,
    ) -> (BTreeMap<String, Class>, BTreeSet<String>, Vec<Problem>) {
        let mut together = above.clone();
        together.extend(self.classes());
        let mut classes = above.clone();
        let mut own = BTreeSet::new();
        for (line, class) in self.rows.values() {
            let wrong = match above.get(&class.id) {
                Some(known) => changed(known, class, *line, granted),
                None => added(class, *line, &together, granted),
            };
            let wrong = wrong.or_else(|| misplaced(class, *line, &together));
            match wrong {
                Some(wrong) => self.problems.push(wrong),
                None => {
                    own.insert(class.id.clone());
                    classes.insert(class.id.clone(), class.clone());
                }
            }
        }
        // What belonged to a row that was passed over goes with it.
        while let Some(orphan) = own
            .iter()
            .find(|id| {
                let parent = classes.get(*id).map(|class| class.parent.as_str());
                parent.is_some_and(|parent| !parent.is_empty() && !classes.contains_key(parent))
            })
            .cloned()
        {
            own.remove(&orphan);
            classes.remove(&orphan);
        }
        (grouped(classes), own, self.problems)
    }

    fn classes(&self) -> BTreeMap<String, Class> {
        let rows = self.rows.iter();
        rows.map(|(id, (_, class))| (id.clone(), class.clone()))
            .collect()
    }
}

/// Why a centre may not change a class from above so, if it may not.
fn changed(known: &Class, wanted: &Class, line: u64, granted: &BTreeSet<Grant>) -> Option<Problem> {
    if !granted.contains(&Grant::ClassLimits) {
        return Some(not_granted(Part::Classes, line, "id", Grant::ClassLimits));
    }
    let what_it_is = |class: &Class| {
        let names = [&class.parent, &class.name_zh, &class.name_en];
        (
            names.map(Clone::clone),
            class.lead_unit_kind.clone(),
            class.level_lowest,
            class.kind,
        )
    };
    (what_it_is(known) != what_it_is(wanted)).then(|| {
        problem(
            line,
            "id",
            "of a class from above only its limits may be changed",
            "上级类别只可调整时限",
        )
    })
}

/// Why a centre may not add a class so, if it may not.
fn added(
    class: &Class,
    line: u64,
    together: &BTreeMap<String, Class>,
    granted: &BTreeSet<Grant>,
) -> Option<Problem> {
    if !granted.contains(&Grant::SubClasses) {
        return Some(not_granted(Part::Classes, line, "id", Grant::SubClasses));
    }
    if class.parent.is_empty() {
        return Some(problem(
            line,
            "parent",
            "a class added below belongs to one from above",
            "下级增设的类别须归入上级类别",
        ));
    }
    let parent = together.get(&class.parent)?;
    (class.level_lowest > parent.level_lowest).then(|| {
        let lowest = parent.level_lowest;
        problem(
            line,
            "level_lowest",
            format!("not deeper than its parent's {lowest}"),
            format!("不得低于所属类别的{lowest}"),
        )
    })
}

/// What is wrong with where a class stands among the others: its parent is there and no member of its own, and its name
/// is its own.
fn misplaced(class: &Class, line: u64, classes: &BTreeMap<String, Class>) -> Option<Problem> {
    let twin = classes
        .values()
        .find(|other| other.name_zh == class.name_zh && other.id != class.id);
    if let Some(twin) = twin {
        return Some(problem(
            line,
            "name_zh",
            format!("{} bears this name too", twin.id),
            format!("与类别 {} 重名", twin.id),
        ));
    }
    if class.parent.is_empty() {
        return None;
    }
    if !classes.contains_key(&class.parent) {
        return Some(problem(
            line,
            "parent",
            format!("no class is called {}", class.parent),
            format!("没有类别 {}", class.parent),
        ));
    }
    is_own_ancestor(classes, &class.id).then(|| {
        problem(
            line,
            "parent",
            "the class belongs to itself",
            "类别上下级关系成环",
        )
    })
}

/// Says of each class whether others belong to it.
fn grouped(mut classes: BTreeMap<String, Class>) -> BTreeMap<String, Class> {
    let parents: BTreeSet<String> = classes.values().map(|class| class.parent.clone()).collect();
    for class in classes.values_mut() {
        class.is_group = parents.contains(&class.id);
    }
    classes
}

fn is_own_ancestor(classes: &BTreeMap<String, Class>, id: &str) -> bool {
    let mut ancestor = classes.get(id);
    for _ in 0..classes.len() {
        match ancestor.and_then(|class| classes.get(&class.parent)) {
            None => return false,
            Some(parent) if parent.id == id => return true,
            Some(parent) => ancestor = Some(parent),
        }
    }
    // It ends in a circle further up, which is told where it closes.
    false
}

/// Where each known column stands.
type Columns = BTreeMap<&'static str, usize>;

fn columns_of(headers: &csv::StringRecord) -> Result<Columns, Vec<Problem>> {
    let mut columns = Columns::new();
    let mut problems = Vec::new();
    for (index, header) in headers.iter().enumerate() {
        let known = COLUMNS.iter().chain(&COLUMNS_OPTIONAL);
        match known.copied().find(|name| *name == header.trim()) {
            Some(name) => {
                if columns.insert(name, index).is_some() {
                    problems.push(problem(1, name, "the column stands twice", "列名重复"));
                }
            }
            None => problems.push(problem(
                1,
                header.chars().take(64).collect::<String>(),
                "no column of a catalogue is called so",
                "派单目录没有此列",
            )),
        }
    }
    for name in COLUMNS {
        if !columns.contains_key(name) {
            problems.push(problem(1, name, "the column is missing", "缺少此列"));
        }
    }
    if problems.is_empty() {
        Ok(columns)
    } else {
        Err(problems)
    }
}

struct Row<'a> {
    line: u64,
    record: &'a csv::StringRecord,
    columns: &'a Columns,
}

impl Row<'_> {
    fn cell(&self, column: &str) -> &str {
        let index = self.columns.get(column);
        let cell = index.and_then(|index| self.record.get(*index));
        cell.unwrap_or_default().trim()
    }

    fn wrong(
        &self,
        field: &str,
        english: impl Into<String>,
        chinese: impl Into<String>,
    ) -> Problem {
        problem(self.line, field, english, chinese)
    }

    fn class(&self, rules: &Rules) -> Result<Class, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut keep = |found: Result<(), Problem>| problems.extend(found.err());
        keep(self.check_names(rules));
        let number = |column: &str, low: u32, high: u32| {
            let number = self.cell(column).parse().ok();
            let number = number.filter(|number| (low..=high).contains(number));
            number.ok_or_else(|| {
                self.wrong(
                    column,
                    format!("a whole number from {low} to {high} stands here"),
                    format!("应为{low}至{high}的整数"),
                )
            })
        };
        let lowest = number("level_lowest", level::PROVINCE, level::VILLAGE);
        let grace = number("escalation_grace_minutes", 0, SPAN_DAYS_MAX * 24 * 60);
        let returns = number("returns_max", 0, RETURNS_MAX);
        let (preset, kind) = (self.preset(rules), self.kind());
        let (answer, annex) = (self.span("answer_within"), self.span("annex_within"));
        match (lowest, grace, returns, preset, kind, answer, annex) {
            (Ok(lowest), Ok(grace), Ok(returns), Ok(preset), Ok(kind), Ok(answer), Ok(annex))
                if problems.is_empty() =>
            {
                Ok(Class {
                    id: self.cell("id").to_owned(),
                    parent: self.cell("parent").to_owned(),
                    name_zh: self.cell("name_zh").to_owned(),
                    name_en: self.cell("name_en").to_owned(),
                    lead_unit_kind: self.cell("lead_unit_kind").to_owned(),
                    kind,
                    level_lowest: lowest,
                    preset,
                    grace_minutes: grace,
                    returns_max: returns,
                    answer_within: answer,
                    annex_within: annex,
                    is_group: false,
                })
            }
            (lowest, grace, returns, preset, kind, answer, annex) => {
                problems.extend(
                    [lowest.err(), grace.err(), returns.err()]
                        .into_iter()
                        .flatten(),
                );
                problems.extend([preset.err(), kind.err()].into_iter().flatten());
                problems.extend([answer.err(), annex.err()].into_iter().flatten());
                Err(problems)
            }
        }
    }

    fn check_names(&self, rules: &Rules) -> Result<(), Problem> {
        if !is_name(self.cell("id"), b'-') {
            return Err(self.wrong(
                "id",
                "an id is 1 to 64 of a-z, 0-9 and hyphen",
                "编码应为1至64个小写字母、数字或连字符",
            ));
        }
        for column in ["name_zh", "name_en"] {
            let name = self.cell(column);
            if name.is_empty() || name.len() > NAME_BYTES_MAX || name.chars().any(char::is_control)
            {
                return Err(self.wrong(
                    column,
                    format!("a name has 1 to {NAME_BYTES_MAX} bytes and no control characters"),
                    format!("名称应为1至{NAME_BYTES_MAX}字节，不含控制字符"),
                ));
            }
        }
        let lead = self.cell("lead_unit_kind");
        if !rules.unit_kinds.contains_key(lead) {
            return Err(self.wrong(
                "lead_unit_kind",
                format!("{lead:?} is not in the list unit_kinds of rules.toml"),
                format!("rules.toml 的 unit_kinds 中没有“{lead}”"),
            ));
        }
        Ok(())
    }

    fn preset(&self, rules: &Rules) -> Result<Arc<Preset>, Problem> {
        let name = self.cell("clock_preset");
        let Some(preset) = rules.presets.get(name) else {
            let known: Vec<&str> = rules.presets.keys().map(String::as_str).collect();
            return Err(self.wrong(
                "clock_preset",
                format!(
                    "no preset is called {name:?}; known are: {}",
                    known.join(", ")
                ),
                format!("没有时限方案“{name}”；已有：{}", known.join("、")),
            ));
        };
        let limits = preset.limits.iter();
        let for_all = limits.filter(|limit| {
            limit.step == Step::Handling && limit.urgency.is_none() && limit.kind.is_none()
        });
        if for_all.count() == 0 {
            return Err(self.wrong(
                "clock_preset",
                format!("{name} has no limit for the handling of every case"),
                format!("时限方案“{name}”没有适用于所有诉求的办理时限"),
            ));
        }
        Ok(Arc::clone(preset))
    }

    fn kind(&self) -> Result<Kind, Problem> {
        let word = self.cell("kind");
        if word.is_empty() {
            return Ok(Kind::Ordinary);
        }
        let known = Kind::ALL.iter().copied();
        known
            .into_iter()
            .find(|kind| kind.as_str() == word)
            .ok_or_else(|| {
                let words: Vec<&str> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
                self.wrong(
                    "kind",
                    format!("one of {} stands here", words.join(", ")),
                    format!("应为 {} 之一", words.join("、")),
                )
            })
    }

    fn span(&self, column: &str) -> Result<Option<Span>, Problem> {
        match self.cell(column) {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|_| {
                self.wrong(
                    column,
                    "a span stands here, such as 3 h or 2 working days",
                    "应为时长，如 3 h 或 2 working days",
                )
            }),
        }
    }
}

fn unreadable(error: &csv::Error) -> Problem {
    let line = error.position().map_or(0, csv::Position::line);
    problem(
        line,
        "",
        "the row does not have the columns of the header",
        "此行列数与表头不符",
    )
}

fn problem(
    line: u64,
    field: impl Into<String>,
    english: impl Into<String>,
    chinese: impl Into<String>,
) -> Problem {
    Problem::at(Part::Classes, line, field, english, chinese)
}
