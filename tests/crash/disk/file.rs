//! One file of the disk in memory: what was written, what is sure, and the changes between.

use std::collections::{BTreeMap, BTreeSet};

use super::super::dice::Dice;

const PAGE: usize = 4096;
const SECTOR: usize = 512;

/// How much of what is unsure is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Luck {
    Nothing,
    UpTo(usize),
    Random,
}

#[derive(Debug)]
pub(super) enum Change<'t> {
    Write { offset: usize, bytes: &'t [u8] },
    Cut { length: usize },
}

/// A change of a file that is not sure yet.
#[derive(Debug)]
pub(super) struct Unsure<'t> {
    pub(super) change: Change<'t>,
    /// Number of the call.
    pub(super) at: usize,
    /// Its sync failed.
    pub(super) dropped: bool,
    /// It was range-synced.
    pub(super) ranged: bool,
}

impl Unsure<'_> {
    pub(super) fn apply(&self, to: &mut Vec<u8>) {
        match self.change {
            Change::Write { offset, bytes } => {
                let end = offset + bytes.len();
                if to.len() < end {
                    to.resize(end, 0);
                }
                to[offset..end].copy_from_slice(bytes);
            }
            Change::Cut { length } => to.resize(length, 0),
        }
    }

    fn pages(&self) -> std::ops::Range<usize> {
        match self.change {
            Change::Write { offset, bytes } => {
                offset / PAGE..(offset + bytes.len()).div_ceil(PAGE).max(offset / PAGE)
            }
            Change::Cut { .. } => 0..0,
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct File<'t> {
    pub(super) live: Vec<u8>,
    pub(super) sure: Vec<u8>,
    pub(super) unsure: Vec<Unsure<'t>>,
}

pub(super) fn unsure(change: Change<'_>) -> Unsure<'_> {
    Unsure {
        change,
        at: 0,
        dropped: false,
        ranged: false,
    }
}

impl File<'_> {
    pub(super) fn sync(&mut self) {
        let mut pages = BTreeSet::new();
        for change in &self.unsure {
            if let Change::Cut { length } = change.change {
                self.sure.resize(length, 0);
            } else if !change.dropped {
                pages.extend(change.pages());
            }
        }
        self.sure.resize(self.live.len(), 0);
        for page in &pages {
            let from = page * PAGE;
            let to = (from + PAGE).min(self.live.len());
            if from < to {
                self.sure[from..to].copy_from_slice(&self.live[from..to]);
            }
        }
        self.unsure
            .retain(|change| change.dropped && change.pages().any(|page| !pages.contains(&page)));
    }

    /// The bytes a stop leaves.
    pub(super) fn left(&self, luck: Luck, range_is_sure: bool, dice: &mut Dice) -> Vec<u8> {
        let mut bytes = self.sure.clone();
        let ranged = |change: &Unsure<'_>| range_is_sure && change.ranged && !change.dropped;
        match luck {
            Luck::Nothing => self.keep_ranged(&mut bytes, ranged),
            Luck::UpTo(call) => {
                for change in self.unsure.iter().filter(|change| !change.dropped) {
                    if change.at < call {
                        change.apply(&mut bytes);
                    }
                }
                self.keep_ranged(&mut bytes, ranged);
            }
            Luck::Random => self.scatter(&mut bytes, ranged, dice),
        }
        bytes
    }

    /// What was range-synced is there, inside the length that is.
    fn keep_ranged(&self, bytes: &mut Vec<u8>, ranged: impl Fn(&Unsure<'_>) -> bool) {
        let length = bytes.len();
        for change in self.unsure.iter().filter(|change| ranged(change)) {
            change.apply(bytes);
        }
        bytes.resize(length, 0);
    }

    /// Each page in one of its versions, with a length the file had.
    fn scatter(&self, bytes: &mut Vec<u8>, ranged: impl Fn(&Unsure<'_>) -> bool, dice: &mut Dice) {
        if self.unsure.is_empty() {
            return;
        }
        let mut lengths = vec![bytes.len()];
        let mut touching: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (index, change) in self.unsure.iter().enumerate() {
            let last = lengths[lengths.len() - 1];
            lengths.push(match change.change {
                Change::Write { offset, bytes } => last.max(offset + bytes.len()),
                Change::Cut { length } => length,
            });
            for page in change.pages() {
                touching.entry(page).or_default().push(index);
            }
        }
        for (page, changes) in touching {
            let from = page * PAGE;
            if bytes.len() < from + PAGE {
                bytes.resize(from + PAGE, 0);
            }
            let version = self.version(&changes, &ranged, dice);
            let mut before = Vec::new();
            for (nth, index) in changes.iter().take(version).enumerate() {
                if nth + 1 == version {
                    before = bytes[from..from + PAGE].to_vec();
                }
                self.unsure[*index].apply_to_page(from, &mut bytes[from..from + PAGE]);
            }
            let last = version
                .checked_sub(1)
                .map(|last| &self.unsure[changes[last]]);
            if last.is_some_and(|last| !ranged(last)) && dice.roll(4) == 0 {
                for sector in 0..PAGE / SECTOR {
                    if dice.heads() {
                        let at = sector * SECTOR;
                        bytes[from + at..from + at + SECTOR]
                            .copy_from_slice(&before[at..at + SECTOR]);
                    }
                }
            }
        }
        // A write that ends a file is seldom overtaken by the record of its length, but may be.
        let length = lengths[dice.roll(lengths.len())];
        bytes.resize(length, 0);
    }

    /// How many of the changes of a page are in the version on disk.
    fn version(
        &self,
        changes: &[usize],
        ranged: &impl Fn(&Unsure<'_>) -> bool,
        dice: &mut Dice,
    ) -> usize {
        let sure = changes
            .iter()
            .rposition(|index| ranged(&self.unsure[*index]));
        let least = sure.map_or(0, |last| last + 1);
        let mut versions = vec![least];
        for (nth, index) in changes.iter().enumerate().skip(least) {
            if !self.unsure[*index].dropped {
                versions.push(nth + 1);
            }
        }
        versions[dice.roll(versions.len())]
    }
}

impl Unsure<'_> {
    fn apply_to_page(&self, from: usize, page: &mut [u8]) {
        if let Change::Write { offset, bytes } = self.change {
            let start = offset.max(from);
            let end = (offset + bytes.len()).min(from + page.len());
            if start < end {
                page[start - from..end - from]
                    .copy_from_slice(&bytes[start - offset..end - offset]);
            }
        }
    }
}
