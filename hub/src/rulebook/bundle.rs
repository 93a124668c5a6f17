//! Bundles: the rulebook as the fold of signed chains, one a place, each written by that place for itself and all below.
//!
//! The chains of a place's way are laid over each other from the top down. The topmost that says everything is the base;
//! what a place below sets for itself counts as far as the rules above allow it, and what they do not allow is passed
//! over and said. Rules and classes are effective from a date; days off are known at once, for they are facts and not
//! rules. The version of a place's rules is the sequence of its last effective bundle that holds any.
//!
//! Files that are larger than an entry go before their bundle in parts, entries of the same chain: so they are signed,
//! come in order and go on where a cut left them, as everything in a lane does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fengqiao_proto::v1 as pb;
use pb::body::Content;
use pb::rulebook_change::Change;
use prost::Message as _;

use super::class::{self, Class};
use super::problem::{Part, Problem};
use super::rules::{self, Grant, Rules, not_granted};
use super::{Rulebook, definition, of_calendar};
use crate::bounds::{BUNDLE_NOTE_CHARACTERS_MAX, BUNDLE_PART_BYTES_MAX};
use crate::clock::{Calendar, Moment};
use crate::entry::Entry;
use crate::id::PlaceId;
use crate::jurisdiction::Registry;
use crate::refusal::{Code, Refusal};

/// Most bytes of all files of a bundle together: bundle and parts are written as one, in one record.
pub const BUNDLE_BYTES_MAX: usize = 3 << 20;
/// How far ahead a bundle may become effective, milliseconds: two years.
const AHEAD_MS_MAX: i64 = 2 * 366 * 86_400_000;

/// Versions of rules by place, from the top down.
pub type Versions = Vec<(PlaceId, u64)>;

/// A bundle as its chain holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// Sequence in its place's chain, from 1.
    pub sequence: u64,
    /// From when its rules and classes are effective.
    pub effective: Moment,
    /// When its author wrote it.
    pub issued: Moment,
    /// What changes, for people.
    pub note: String,
    /// Its files.
    pub files: BTreeMap<Part, String>,
}

impl Bundle {
    /// Whether it makes a version: it holds rules or classes.
    #[must_use]
    pub fn has_rules(&self) -> bool {
        self.files.contains_key(&Part::Rules) || self.files.contains_key(&Part::Classes)
    }
}

/// A problem with what a place issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassedOver {
    /// Who issued it.
    pub issuer: PlaceId,
    /// What is wrong.
    pub problem: Problem,
}

/// Everything the rulebook chains known here say together, and what of it is in force for one place.
#[derive(Debug, Clone, Default)]
pub struct Rulebooks {
    chains: BTreeMap<PlaceId, Vec<Bundle>>,
    /// Parts whose bundle has not come yet, in the order of their chain.
    parts: BTreeMap<PlaceId, Vec<Stretch>>,
    way: Vec<PlaceId>,
    /// What is in force on that way, and from when; ascending.
    timeline: Vec<(Moment, Arc<Rulebook>)>,
    none: Arc<Rulebook>,
}

/// Part of a bundle, by its sequence in the chain.
type Stretch = (u64, Arc<[u8]>);

/// Why a bundle is not issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundleRefused {
    /// What is told.
    pub refusal: Refusal,
    /// All that is wrong with its files.
    pub problems: Vec<Problem>,
}

impl From<Refusal> for BundleRefused {
    fn from(refusal: Refusal) -> Self {
        Self {
            refusal,
            problems: Vec::new(),
        }
    }
}

impl Rulebooks {
    /// Adds an entry of a rulebook chain, in the order of the chain. What does not read is kept as a bundle without
    /// files: it judges nothing, and the version before it stands.
    pub fn apply(&mut self, entry: &Entry, issuer: PlaceId) {
        let content = entry.body.content.as_ref();
        if let Some(part) = part_in(content) {
            self.await_bundle(issuer, entry.sequence, &part.content);
            return;
        }
        let Some(issued) = issued_in(content) else {
            return;
        };
        let parts = self.parts.remove(&issuer).unwrap_or_default();
        let files = match issued.parts {
            0 => files_of(&issued.files).ok(),
            count => joined(&parts, entry.sequence, count),
        };
        let bundle = Bundle {
            sequence: entry.sequence,
            effective: Moment(issued.effective_ms),
            issued: Moment(entry.body.wall_time_ms),
            note: issued.note.clone(),
            files: files.unwrap_or_default(),
        };
        self.add(issuer, bundle);
        self.settle();
    }

    /// Bytes of parts whose bundle has not come yet.
    #[must_use]
    pub fn awaiting_bytes(&self) -> usize {
        let parts = self.parts.values().flatten();
        parts.map(|(_, content)| content.len()).sum()
    }

    /// Keeps a part until its bundle comes; more than a bundle may hold is none.
    fn await_bundle(&mut self, issuer: PlaceId, sequence: u64, content: &[u8]) {
        let parts = self.parts.entry(issuer).or_default();
        let held: usize = parts.iter().map(|(_, content)| content.len()).sum();
        if held + content.len() > BUNDLE_BYTES_MAX + BUNDLE_PART_BYTES_MAX {
            parts.clear();
        }
        if parts.iter().all(|(known, _)| *known != sequence) {
            parts.push((sequence, content.into()));
        }
    }

    fn add(&mut self, issuer: PlaceId, mut bundle: Bundle) {
        let chain = self.chains.entry(issuer).or_default();
        if chain.iter().any(|known| known.sequence == bundle.sequence) {
            return;
        }
        // One follows on the other: a later bundle is never effective before an earlier one.
        let before = chain.iter().filter(|known| known.has_rules());
        let before = before.map(|known| known.effective).max();
        bundle.effective = bundle.effective.max(before.unwrap_or(Moment::MIN));
        chain.push(bundle);
        chain.sort_by_key(|bundle| bundle.sequence);
    }

    /// Whether the way down to a place is another one than these follow.
    #[must_use]
    pub fn stands_otherwise(&self, place: PlaceId, registry: &Registry) -> bool {
        way_down(place, registry) != self.way
    }

    /// Follows the way of a place: from the first place down to it.
    pub fn stand_at(&mut self, place: PlaceId, registry: &Registry) {
        let way = way_down(place, registry);
        if way != self.way {
            self.way = way;
            self.settle();
        }
    }

    fn settle(&mut self) {
        let on_way = self.way.iter().filter_map(|place| self.chains.get(place));
        let moments: BTreeSet<Moment> = on_way
            .flatten()
            .filter(|bundle| bundle.has_rules())
            .map(|bundle| bundle.effective)
            .collect();
        self.timeline = moments
            .into_iter()
            .filter_map(|from| Some((from, Arc::new(self.fold(&self.versions_at(from))?))))
            .collect();
    }

    /// The rulebook in force at a moment; an empty one before any has come.
    #[must_use]
    pub fn in_force(&self, now: Moment) -> Arc<Rulebook> {
        let begun = self.timeline.iter().rev().find(|(from, _)| *from <= now);
        // What is effective later only is better than none: a first bundle may carry a date that has not come.
        let book = begun.or(self.timeline.first());
        book.map_or_else(|| Arc::clone(&self.none), |(_, book)| Arc::clone(book))
    }

    /// The rulebook that a case is judged by: the versions its first entry names, with the days off known today, and the
    /// class that entry defines where it is not known here. A case that names none goes by what is in force.
    #[must_use]
    pub fn of_case(&self, judged_by: Option<&pb::JudgedBy>, now: Moment) -> Arc<Rulebook> {
        let versions = judged_by.map(versions_of).unwrap_or_default();
        let book = self.as_of(&versions, now);
        let defined = judged_by.and_then(|by| definition::read(by.class.as_ref()?));
        let all_known = versions
            .iter()
            .all(|(place, sequence)| self.bundle(*place, *sequence).is_some());
        match defined {
            Some(class) if book.takes(&class, all_known) => Arc::new(book.keeping(class)),
            Some(_) | None => book,
        }
    }

    fn as_of(&self, versions: &Versions, now: Moment) -> Arc<Rulebook> {
        if versions.is_empty() {
            return self.in_force(now);
        }
        let known = self
            .timeline
            .iter()
            .find(|(_, book)| book.versions == *versions);
        let known = known.map(|(_, book)| Arc::clone(book));
        known
            .or_else(|| self.fold(versions).map(Arc::new))
            .unwrap_or_else(|| self.in_force(now))
    }

    /// A bundle by its issuer and sequence.
    #[must_use]
    pub fn bundle(&self, issuer: PlaceId, sequence: u64) -> Option<&Bundle> {
        let mut chain = self.chains.get(&issuer)?.iter();
        chain.find(|bundle| bundle.sequence == sequence)
    }

    /// The places that issued any.
    pub fn issuers(&self) -> impl Iterator<Item = PlaceId> {
        self.chains.keys().copied()
    }

    /// The bundles of a place, in order.
    #[must_use]
    pub fn bundles(&self, issuer: PlaceId) -> &[Bundle] {
        self.chains.get(&issuer).map_or(&[], Vec::as_slice)
    }

    /// The places on the way to the one that this is for, from the top down.
    #[must_use]
    pub fn way(&self) -> &[PlaceId] {
        &self.way
    }

    /// The files of a place that are in force at a moment: the last of each kind.
    #[must_use]
    pub fn files(&self, issuer: PlaceId, now: Moment) -> BTreeMap<Part, String> {
        let at = self.version_at(issuer, now);
        let mut files = BTreeMap::new();
        for bundle in self.bundles(issuer) {
            for (part, text) in &bundle.files {
                if *part == Part::Calendar || at.is_some_and(|at| bundle.sequence <= at) {
                    files.insert(*part, text.clone());
                }
            }
        }
        files
    }

    /// Judges a bundle that a place on this way, its last one, is to issue now: gives it as it is to be written and the
    /// rulebook as it will be.
    ///
    /// # Errors
    /// `FIELD_EMPTY`, `FIELD_TOO_LONG`, `OUT_OF_RANGE`, `BUNDLE_TOO_EARLY`, `BUNDLE_UNCHANGED`, `BUNDLE_UNSOUND` with all
    /// that is wrong.
    pub fn judge(
        &self,
        issued: pb::BundleIssued,
        now: Moment,
    ) -> Result<(pb::BundleIssued, Rulebook), BundleRefused> {
        let issuer = self
            .way
            .last()
            .copied()
            .filter(|last| last.to_vec() == issued.issuer);
        let issuer = issuer.ok_or(Refusal::of(Code::PlaceUnknown, "issuer"))?;
        if issued.note.chars().count() > BUNDLE_NOTE_CHARACTERS_MAX {
            let most = BUNDLE_NOTE_CHARACTERS_MAX.to_string();
            return Err(Refusal::of(Code::TooLong, "note").because(most).into());
        }
        if issued.note.chars().any(char::is_control) {
            return Err(Refusal::of(Code::ControlCharacter, "note").into());
        }
        let files = files_of(&issued.files)?;
        let mut bundle = Bundle {
            sequence: self.bundles(issuer).last().map_or(0, |last| last.sequence) + 1,
            effective: now,
            issued: now,
            note: issued.note.clone(),
            files,
        };
        if bundle.has_rules() {
            bundle.effective = self.effective_of(issuer, issued.effective_ms, now)?;
        }
        if self.changes_nothing(issuer, &bundle) {
            return Err(Refusal::of(Code::BundleUnchanged, "files").into());
        }
        let issued = pb::BundleIssued {
            effective_ms: bundle.effective.0,
            ..issued
        };
        let mut after = self.clone();
        after.add(issuer, bundle);
        let at = after
            .bundles(issuer)
            .last()
            .map_or(now, |bundle| bundle.effective);
        // What does not hold already, because the rules above have changed since, is no fault of this one.
        let known = self.in_force(at).passed_over.clone();
        let mut problems = Vec::new();
        let folded = after.fold_strictly(&after.versions_at(at), Some(issuer), &mut problems);
        problems.retain(|problem| !known.iter().any(|known| known.problem == *problem));
        match folded {
            Some(book) if problems.is_empty() => Ok((issued, book)),
            Some(_) | None => {
                let first = problems.first().map(|problem| {
                    format!("{}:{} {}", problem.part.file(), problem.line, problem.field)
                });
                let refusal = Refusal::of(Code::BundleUnsound, "files");
                Err(BundleRefused {
                    refusal: refusal.because(first.unwrap_or_default()),
                    problems,
                })
            }
        }
    }

    fn effective_of(
        &self,
        issuer: PlaceId,
        wanted_ms: i64,
        now: Moment,
    ) -> Result<Moment, Refusal> {
        let wanted = if wanted_ms == 0 {
            now
        } else {
            Moment(wanted_ms)
        };
        let pending = self
            .bundles(issuer)
            .iter()
            .filter(|bundle| bundle.has_rules());
        let pending = pending.map(|bundle| bundle.effective).max();
        let earliest = pending.unwrap_or(Moment::MIN).max(now);
        if wanted < earliest {
            let earliest = earliest.to_string();
            return Err(Refusal::of(Code::BundleTooEarly, "effective_ms").because(earliest));
        }
        if wanted.0 - now.0 > AHEAD_MS_MAX {
            return Err(Refusal::of(Code::OutOfRange, "effective_ms"));
        }
        Ok(wanted)
    }

    fn changes_nothing(&self, issuer: PlaceId, bundle: &Bundle) -> bool {
        let last = self.files(issuer, Moment::MAX);
        let mut files = bundle.files.iter();
        files.all(|(part, text)| last.get(part) == Some(text))
    }

    fn version_at(&self, issuer: PlaceId, at: Moment) -> Option<u64> {
        let bundles = self.bundles(issuer).iter();
        let effective = bundles.filter(|bundle| bundle.has_rules() && bundle.effective <= at);
        effective.map(|bundle| bundle.sequence).max()
    }

    fn versions_at(&self, at: Moment) -> Versions {
        let way = self.way.iter();
        way.filter_map(|place| Some((*place, self.version_at(*place, at)?)))
            .collect()
    }

    /// The rulebook of some versions; `None` where no place among them says everything.
    fn fold(&self, versions: &Versions) -> Option<Rulebook> {
        self.fold_strictly(versions, None, &mut Vec::new())
    }

    /// The same. What `strict` itself issued last is told where it does not hold, and nothing older stands in for it.
    fn fold_strictly(
        &self,
        versions: &Versions,
        strict: Option<PlaceId>,
        problems: &mut Vec<Problem>,
    ) -> Option<Rulebook> {
        let mut folding: Option<Folding> = None;
        let mut layers = versions.clone();
        // A place that issued days off only stands on the way too.
        for place in &self.way {
            if !layers.iter().any(|(known, _)| known == place) && self.chains.contains_key(place) {
                layers.push((*place, 0));
            }
        }
        for (place, sequence) in layers {
            let layer = self.layer(place, sequence);
            let found = match &mut folding {
                Some(folding) => folding.lay(place, &layer),
                None => match self.base(place, sequence, strict == Some(place)) {
                    Ok(base) => {
                        folding = Some(base);
                        Vec::new()
                    }
                    Err(found) => found,
                },
            };
            if strict == Some(place) {
                problems.extend(found);
            }
        }
        folding.map(|folding| folding.book(versions.clone()))
    }

    /// The last of each kind of file up to a version, and all lists of days off.
    fn layer(&self, place: PlaceId, sequence: u64) -> Layer<'_> {
        let mut layer = Layer::default();
        for bundle in self.bundles(place) {
            for (part, text) in &bundle.files {
                match part {
                    Part::Rules if bundle.sequence <= sequence => layer.rules = Some(text),
                    Part::Classes if bundle.sequence <= sequence => layer.classes = Some(text),
                    Part::Rules | Part::Classes => {}
                    Part::Calendar => {
                        layer.lists.push(text);
                        layer.listed = bundle.sequence;
                    }
                }
            }
        }
        layer
    }

    /// The base that a place gives; where its last version does not hold, the one before it stands.
    fn base(&self, place: PlaceId, sequence: u64, strict: bool) -> Result<Folding, Vec<Problem>> {
        let first = Folding::base(&self.layer(place, sequence));
        let bundles = self.bundles(place).iter().rev();
        let older = bundles.filter(|bundle| bundle.has_rules() && bundle.sequence < sequence);
        first.or_else(|problems| {
            let mut older = older.filter(|_| !strict);
            older
                .find_map(|bundle| Folding::base(&self.layer(place, bundle.sequence)).ok())
                .ok_or(problems)
        })
    }
}

/// What one place issued, as of a version.
#[derive(Debug, Default)]
pub(super) struct Layer<'a> {
    pub(super) rules: Option<&'a str>,
    pub(super) classes: Option<&'a str>,
    pub(super) lists: Vec<&'a str>,
    /// Sequence of the last bundle with days off.
    pub(super) listed: u64,
}

/// A rulebook in the making.
pub(super) struct Folding {
    rules: Rules,
    classes: BTreeMap<String, Class>,
    calendar: Calendar,
    calendar_version: u64,
    lists: Vec<String>,
    own: BTreeSet<String>,
    passed_over: Vec<PassedOver>,
}

impl Folding {
    pub(super) fn base(layer: &Layer<'_>) -> Result<Self, Vec<Problem>> {
        let missing = |part: Part| {
            vec![Problem::at(
                part,
                0,
                "",
                "the first bundle of the top holds this file too",
                "最上级的首个规则包须含此文件",
            )]
        };
        let text = layer.rules.ok_or_else(|| missing(Part::Rules))?;
        let rules = rules::read(text).and_then(rules::RulesFile::whole);
        let classes = layer.classes.ok_or_else(|| missing(Part::Classes))?;
        let mut problems = Vec::new();
        let mut keep = |found: Vec<Problem>| problems.extend(found);
        let classes = match &rules {
            Ok(rules) => class::read(classes, rules).whole().map_err(&mut keep).ok(),
            Err(_) => None,
        };
        let rules = rules.map_err(&mut keep).ok();
        let local = rules.as_ref().map(|rules| rules.local.clone());
        let calendar = Calendar::unknown(0, local.unwrap_or_else(crate::clock::LocalTime::china));
        let mut calendar = calendar.map_err(|error| vec![of_calendar(&error)])?;
        if layer.lists.is_empty() {
            problems.extend(missing(Part::Calendar));
        }
        for list in &layer.lists {
            match calendar.clone().with_lists(list) {
                Ok(known) => calendar = known,
                Err(error) => problems.push(of_calendar(&error)),
            }
        }
        match (rules, classes) {
            (Some(rules), Some(classes)) if problems.is_empty() => Ok(Self {
                rules,
                classes,
                calendar,
                calendar_version: layer.listed,
                lists: layer.lists.iter().map(|list| (*list).to_owned()).collect(),
                own: BTreeSet::new(),
                passed_over: Vec::new(),
            }),
            (_, _) => Err(problems),
        }
    }

    /// Lays what a place below issued over what is there; gives what was passed over.
    fn lay(&mut self, issuer: PlaceId, layer: &Layer<'_>) -> Vec<Problem> {
        let mut problems = Vec::new();
        let granted = self.rules.below.clone();
        if let Some(text) = layer.rules {
            match rules::read(text) {
                Ok(file) => {
                    let (rules, found) = file.over(&self.rules);
                    self.rules = rules;
                    problems.extend(found);
                }
                Err(found) => problems.extend(found),
            }
        }
        if let Some(text) = layer.classes {
            let file = class::read(text, &self.rules);
            let (classes, own, found) = file.over(&self.classes, &granted);
            self.classes = classes;
            self.own.extend(own);
            problems.extend(found);
        }
        if !layer.lists.is_empty() {
            if granted.contains(&Grant::DaysOff) {
                self.lists
                    .extend(layer.lists.iter().map(|list| (*list).to_owned()));
                self.calendar_version += layer.listed;
            } else {
                problems.push(not_granted(Part::Calendar, 0, "", Grant::DaysOff));
            }
        }
        problems.extend(self.count_days());
        self.passed_over
            .extend(problems.iter().map(|problem| PassedOver {
                issuer,
                problem: problem.clone(),
            }));
        problems
    }

    /// The calendar anew: the hours may have changed.
    fn count_days(&mut self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let unknown = Calendar::unknown(0, self.rules.local.clone());
        let Ok(mut calendar) = unknown.map_err(|error| problems.push(of_calendar(&error))) else {
            return problems;
        };
        self.lists
            .retain(|list| match calendar.clone().with_lists(list) {
                Ok(known) => {
                    calendar = known;
                    true
                }
                Err(error) => {
                    problems.push(of_calendar(&error));
                    false
                }
            });
        self.calendar = calendar;
        problems
    }

    pub(super) fn book(self, versions: Versions) -> Rulebook {
        Rulebook {
            versions,
            rules: Arc::new(self.rules),
            classes: Arc::new(self.classes),
            calendar: Arc::new(self.calendar.at_version(self.calendar_version)),
            own_below: Arc::new(self.own),
            passed_over: Arc::new(self.passed_over),
        }
    }
}

/// The bundle that a content issues; `None` for other contents, and for what this version does not know.
#[must_use]
pub fn issued_in(content: Option<&Content>) -> Option<&pb::BundleIssued> {
    let Some(Content::Rulebook(pb::RulebookChange {
        change: Some(Change::BundleIssued(issued)),
    })) = content
    else {
        return None;
    };
    Some(issued)
}

/// A bundle as it is written: the parts that go before it where its files are larger than an entry, and itself.
#[must_use]
pub fn in_parts(issued: pb::BundleIssued) -> (Vec<pb::BundlePart>, pb::BundleIssued) {
    let files = pb::BundleFiles {
        files: issued.files.clone(),
    };
    let bytes = files.encode_to_vec();
    if bytes.len() <= BUNDLE_PART_BYTES_MAX {
        return (Vec::new(), issued);
    }
    let parts: Vec<pb::BundlePart> = bytes
        .chunks(BUNDLE_PART_BYTES_MAX)
        .map(|content| pb::BundlePart {
            content: content.to_vec(),
        })
        .collect();
    let issued = pb::BundleIssued {
        files: Vec::new(),
        parts: u32::try_from(parts.len()).unwrap_or(u32::MAX),
        ..issued
    };
    (parts, issued)
}

/// The files that the parts directly before a bundle hold; `None` where one is missing or they do not read.
fn joined(parts: &[Stretch], bundle: u64, count: u32) -> Option<BTreeMap<Part, String>> {
    let first = bundle.checked_sub(u64::from(count))?;
    let mut bytes = Vec::new();
    for wanted in first..bundle {
        let (_, content) = parts.iter().find(|(sequence, _)| *sequence == wanted)?;
        bytes.extend_from_slice(content);
    }
    let files = pb::BundleFiles::decode(&bytes[..]).ok()?;
    files_of(&files.files).ok()
}

fn part_in(content: Option<&Content>) -> Option<&pb::BundlePart> {
    let Some(Content::Rulebook(pb::RulebookChange {
        change: Some(Change::BundlePart(part)),
    })) = content
    else {
        return None;
    };
    Some(part)
}

fn way_down(place: PlaceId, registry: &Registry) -> Vec<PlaceId> {
    let mut way: Vec<PlaceId> = registry.way_up(place).map(|place| place.id).collect();
    // A place that was moved below one of which nothing has come yet stands below the first place all the same.
    if let Some(first) = registry.root().filter(|first| !way.contains(first)) {
        way.push(first);
    }
    way.reverse();
    way
}

/// The versions that an entry was judged by.
#[must_use]
pub fn versions_of(judged_by: &pb::JudgedBy) -> Versions {
    let versions = judged_by.versions.iter();
    versions
        .filter_map(|version| Some((PlaceId::from_bytes(&version.place)?, version.sequence)))
        .collect()
}

fn files_of(written: &[pb::BundleFile]) -> Result<BTreeMap<Part, String>, Refusal> {
    let bytes: usize = written.iter().map(|file| file.content.len()).sum();
    if written.is_empty() {
        return Err(Refusal::of(Code::Empty, "files"));
    }
    if bytes > BUNDLE_BYTES_MAX {
        return Err(Refusal::of(Code::TooLong, "files").because(BUNDLE_BYTES_MAX.to_string()));
    }
    let mut files = BTreeMap::new();
    for file in written {
        let wrong = |code: Code| {
            let name: String = file.name.chars().take(64).collect();
            Refusal::of(code, "files").because(name)
        };
        let part = Part::ALL.into_iter().find(|part| part.file() == file.name);
        let part = part.ok_or_else(|| wrong(Code::Malformed))?;
        let text = std::str::from_utf8(&file.content).map_err(|_| wrong(Code::Malformed))?;
        if files.insert(part, text.to_owned()).is_some() {
            return Err(wrong(Code::NameTaken));
        }
    }
    Ok(files)
}
